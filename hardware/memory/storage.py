"""Bytes of stored weights: 16- and 32-bit formats, and the quantised ones with their constants."""

from __future__ import annotations

import math

from tunewright.hardware.memory.estimate import TrainingSetup, Weights
from tunewright.hardware.memory.stacks import Stack
from tunewright.hardware.shapes import ModelShape

PLAIN_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
FOUR_BIT = ("nf4", "gptq4", "awq4", "mxfp4")

# bitsandbytes nf4: 4 bits a weight and one float32 scale per 64 of them. Doubly quantised, the
# scales have 8 bits each and one float32 per 256 (QLoRA, arXiv:2305.14314, section 3: 0.127 bits a
# weight for the constants).
_NF4_BLOCK = 64
_NF4_SCALES_PER_CONSTANT = 256
# GPTQ and AWQ: per group of 128 input channels and output channel, a float16 scale and a packed
# zero point of the weight's bits; GPTQ also an int32 group index per input channel (negligible).
_GROUP = 128
# fp8 (DeepSeek's and Qwen's layout): a float32 scale per tile of 128 x 128, or one a channel.
_FP8_TILE = 128 * 128
# OCP microscaling: an 8-bit exponent per 32 four-bit values (the OCP MX specification 1.0).
_MX_BLOCK = 32


def linear_parameters(shape: ModelShape) -> int:
    """Weights of the decoder's linear layers."""
    return sum(linear.in_features * linear.out_features * linear.count for linear in shape.linears)


def expert_parameters(shape: ModelShape) -> int:
    """Weights of all experts of a mixture: three matrices each (gate, up, down)."""
    return (
        3 * shape.hidden_size * shape.expert_intermediate_size * shape.experts * shape.expert_layers
    )


def quantised_bytes(parameters: int, weights: Weights, double_quant: bool = True) -> int:
    """Bytes of `parameters` quantised weights with their constants."""
    if weights == "nf4":
        scales = math.ceil(parameters / _NF4_BLOCK)
        if double_quant:
            constants = scales + 4 * math.ceil(scales / _NF4_SCALES_PER_CONSTANT)
        else:
            constants = 4 * scales
        return math.ceil(parameters / 2) + constants
    if weights in ("gptq4", "awq4"):
        return math.ceil(parameters / 2 + parameters / _GROUP * 2.5)
    if weights == "gptq8":
        return math.ceil(parameters + parameters / _GROUP * 3)
    if weights == "int8":
        # LLM.int8(): one byte, and a float32 scale per output row (about one in four thousand).
        return math.ceil(parameters * (1 + 4 / 4096))
    if weights == "fp8":
        return math.ceil(parameters * (1 + 4 / _FP8_TILE))
    if weights == "mxfp4":
        return math.ceil(parameters / 2 + parameters / _MX_BLOCK)
    return parameters * PLAIN_BYTES[weights]


def stored_parts(shape: ModelShape, weights: Weights, head: bool = False) -> tuple[int, int]:
    """(quantised, not quantised) parameters. Embeddings, head and norms stay in 16 bits in every
    recipe of today except `head`; bitsandbytes also leaves experts as they are, which transformers
    holds as bare parameters."""
    if weights in PLAIN_BYTES:
        return 0, shape.parameters
    quantised = linear_parameters(shape)
    if weights not in ("nf4", "int8"):
        quantised += expert_parameters(shape)
    if weights == "mxfp4":
        quantised = expert_parameters(shape)  # gpt-oss: the experts and nothing else
    if head:
        quantised += shape.vocab_size * shape.hidden_size
    return quantised, shape.parameters - quantised


def weights_bytes(shape: ModelShape, setup: TrainingSetup, stack: Stack, activation: int) -> int:
    """Bytes of the base model as a training step holds it."""
    extra = 0
    if stack.untied and shape.tie_word_embeddings:
        extra = shape.vocab_size * shape.hidden_size
    if setup.weights in PLAIN_BYTES:
        return (shape.parameters + extra) * PLAIN_BYTES[setup.weights]
    quantised, rest = stored_parts(shape, setup.weights)
    if stack.quantises_head:
        head = shape.vocab_size * shape.hidden_size
        quantised += head
        rest += extra - head
    size = quantised_bytes(quantised, setup.weights, setup.double_quant)
    kept = activation
    if setup.trainable == "lora" and stack.casts_rest_to_float32 and setup.weights == "nf4":
        kept = 4
    return size + rest * kept
