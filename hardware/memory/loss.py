"""What turns hidden states into a loss: often the largest buffer of all."""

from __future__ import annotations

import msgspec

from tunewright.hardware.memory.estimate import TrainingSetup
from tunewright.hardware.memory.layers import Precision
from tunewright.hardware.memory.stacks import Stack
from tunewright.hardware.shapes import ModelShape

# TRL's fused head works on tiles of at most so many tokens and vocabulary columns
# (TOKEN_CHUNK_SIZE in trl/kernels/chunked_logprob.py, _CHUNKED_LOGPROB_CHUNK_SIZE in
# trl/trainer/utils.py)
TILE_TOKENS = 4096
TILE_COLUMNS = 32768


class LossBuffers(msgspec.Struct, frozen=True):
    """Bytes of the whole batch at the start of the backward pass, and how they come about;
    `forward`: what is there when the forward pass ends; `idle`: freed by then, in blocks of no use
    to it (a segment of the allocator is never joined with another)."""

    bytes: int
    forward: int
    why: str
    idle: int = 0


def loss_buffers(
    shape: ModelShape, setup: TrainingSetup, stack: Stack, precision: Precision, rows: int
) -> LossBuffers:
    """What the loss of `rows` rows holds at its peak, its backward pass.

    Chunked (trl): one tile of logits; on CUDA a kernel turns it into the gradient in place, without
    Triton (the CPU) seven float32 tiles and a mask are there at once. The gradients of the hidden
    states, and of a trained head, are summed in float32. Fused (Liger, cut cross-entropy): rows of
    logits as many bytes as the hidden states. Plain: all logits, which the caller's outputs hold,
    their log-softmax and two gradients of that size in float32; other stacks by their own code.
    """
    tokens = rows * setup.seq_len
    a, h, v = precision.activation, shape.hidden_size, shape.vocab_size
    if setup.trainer == "reward":
        return LossBuffers(8 * h * rows, 4 * rows, "one score a row: no logits")
    head_gradient = 4 * v * h if setup.trainable == "all" else 0
    if setup.loss_kernel == "fused":
        return _fused(tokens, a, h, v, head_gradient)
    if setup.loss_kernel == "plain":
        return _plain(shape, setup, stack, precision, tokens)
    if stack.chunked_logit_bytes is not None:
        forward, backward = stack.chunked_logit_bytes
        why = f"{tokens:,} tokens x {v:,} logits x {backward} bytes, by {stack.id}'s chunked loss"
        return LossBuffers(int(backward * v * tokens), int(forward * v * tokens), why)
    rows_of_tile, columns = min(tokens, TILE_TOKENS), min(v, TILE_COLUMNS)
    tile = rows_of_tile * TILE_COLUMNS * a
    forward = tile + a * h * tokens
    total = tile + (4 + 2 * a) * h * tokens + head_gradient
    why = f"a tile of {rows_of_tile} tokens x {TILE_COLUMNS} logits x {a} bytes"
    if setup.device == "cpu":
        total += rows_of_tile * columns * 29
        why += f", seven float32 copies of its {columns} columns and a mask (no Triton on a CPU)"
    elif precision.residual == 4:
        total += columns * h * a
    if head_gradient:
        why += f", and the head's gradient of {v} x {h} in float32"
    return LossBuffers(total, forward, why + "; hidden states and their gradient")


def _plain(
    shape: ModelShape, setup: TrainingSetup, stack: Stack, precision: Precision, tokens: int
) -> LossBuffers:
    a, h, v = precision.activation, shape.hidden_size, shape.vocab_size
    forward, backward = stack.logit_bytes
    if not precision.autocast and stack.autocast:
        # On the CPU, and under DeepSpeed, the logits stay in the model's dtype.
        forward, backward = stack.logit_bytes_no_autocast or (forward + a - 2, backward + a - 4)
    if shape.model_type in ("gemma2", "gemma4", "gemma4_text"):
        # Logits are capped by tanh, whose output is kept.
        forward, backward = forward + a, backward + a
    total, at_end = int(backward * v * tokens), int(forward * v * tokens)
    why = f"{tokens:,} tokens x {v:,} logits x {backward} bytes: logits, log-softmax and gradients"
    if stack.casts_rest_to_float32 and setup.weights == "nf4" and stack.autocast:
        # Autocast keeps its 16-bit copy of the float32 head until the head's backward pass.
        total, at_end = total + 2 * v * h, at_end + 2 * v * h
        why += f"; a 16-bit copy of the {v:,} x {h:,} head"
    idle = stack.idle_logit_bytes * v * tokens if precision.autocast else 0
    return LossBuffers(total, at_end, why, idle)


def _fused(tokens: int, a: int, h: int, v: int, head_gradient: int) -> LossBuffers:
    """Liger's chunk: as many rows as make its logits about as large as the hidden states
    (linkedin/Liger-Kernel, fused_linear_cross_entropy.py: ceil(tokens / ceil(v / h)), to a power of
    two), in the arithmetic's dtype and float32; gradients of hidden states and head are made in the
    forward pass."""
    rows = -(-tokens // -(-v // h))
    rows = min(tokens, 1 << (rows - 1).bit_length())
    total = rows * v * (a + 4) + 2 * a * h * tokens + head_gradient
    return LossBuffers(total, total, f"{rows:,} rows of logits at a time, and gradients: no more")
