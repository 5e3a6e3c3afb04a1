"""Bytes that a decoder layer keeps for its backward pass: a count of saved tensors, not a fit.

Counted from the code of transformers 5.23 (Llama's decoder layer and its kin), peft 0.21 (LoRA's
forward) and torch's autograd formulas, and for other stacks from theirs (`stacks`); checked against
the profiler's allocations on the CPU. All sizes are bytes a token unless said otherwise.
"""

from __future__ import annotations

import msgspec

from tunewright.hardware.memory.adapter_kinds import OTHER_KINDS
from tunewright.hardware.memory.adapters import (
    adapted_linears,
    kept_by_adapter,
    whole_model_adapter,
)
from tunewright.hardware.memory.estimate import TrainingSetup
from tunewright.hardware.memory.stacks import Stack
from tunewright.hardware.shapes import Linear, ModelShape

# Which of the four inputs of a layer a linear takes: two that share one share its saved tensor.
_ATTENTION_OUT = {"o_proj", "out_proj", "dense", "wo", "attn_out"}
_MLP_IN = {
    "gate_proj", "up_proj", "gate_up_proj", "fc1", "fc_in", "c_fc", "dense_h_to_4h", "w1", "w3",
}  # fmt: skip
_MLP_OUT = {"down_proj", "fc2", "fc_out", "dense_4h_to_h", "w2"}

# Families whose norm is torch's LayerNorm, which keeps its input as it is. The others' RMSNorm is
# written in Python and works in float32.
_LAYER_NORM = {
    "gpt2", "gpt_neo", "gpt_neox", "gptj", "gpt_bigcode", "phi", "falcon", "bloom", "opt", "mpt",
    "stablelm", "starcoder2", "codegen", "cohere",
}  # fmt: skip
_FOUR_NORMS = {"gemma2", "gemma3", "gemma3_text", "gemma4", "gemma4_text", "glm4"}
# Attention and MLP in parallel, behind one norm.
_ONE_NORM = {"phi", "falcon", "gptj", "codegen", "cohere", "cohere2"}
_QUERY_KEY_NORM = {
    "qwen3", "qwen3_moe", "gemma3", "gemma3_text", "gemma4", "gemma4_text", "olmo2", "olmo3",
    "olmoe", "glm4_moe",
}  # fmt: skip
# NewGELUActivation is Python too and keeps x, x/2, tanh and 1 + tanh.
_PYTHON_GELU = {"gpt2", "phi", "gptj", "codegen"}
# Scores are capped by tanh before softmax, which no fused kernel of the older stacks does.
CAPPED_SCORES = {"gemma2"}


class Precision(msgspec.Struct, frozen=True):
    """`activation` bytes of the arithmetic; `residual` bytes of the stream between layers;
    `autocast`: torch casts at each operation (the Trainer's bf16 and fp16 flags)."""

    activation: int
    residual: int
    autocast: bool


def precision_of(setup: TrainingSetup, stack: Stack) -> Precision:
    """On CUDA the Trainer runs under 16-bit autocast, other stacks in the dtype of the weights; on
    the CPU all do (nf4 is unpacked to float32 there)."""
    if setup.device == "cuda":
        wide = setup.weights == "float32"
        if stack.autocast and setup.sharding not in ("zero1", "zero2", "zero3"):
            return Precision(2, 4 if wide else 2, autocast=True)
        # DeepSpeed converts the model itself, and casts nothing in between.
        own = 4 if wide and not stack.autocast else 2
        return Precision(own, own, autocast=False)
    size = 2 if setup.weights in ("bfloat16", "float16") else 4
    return Precision(size, size, autocast=False)


class LayerActivations(msgspec.Struct, frozen=True):
    """One decoder layer: `saved` for its backward, `working` more while that runs, `held` by the
    graph of the step before; `mask` and `scores`, bytes of the whole batch for attention's."""

    saved: int
    working: int
    held: int
    mask: int
    scores: int


def layer_activations(
    shape: ModelShape, setup: TrainingSetup, stack: Stack, precision: Precision
) -> LayerActivations:
    """What one layer keeps, by part: norms, attention, MLP or experts, and the inputs of whatever
    is trained."""
    a, h = precision.activation, shape.hidden_size
    q = shape.num_attention_heads * shape.head_dim
    kv = shape.num_key_value_heads * shape.head_dim
    full = setup.trainable == "all"
    mlp_in, mlp_out = _mlp_widths(shape)
    gated = mlp_in >= 2 * mlp_out
    plain = full or setup.adapter in OTHER_KINDS
    adapted = () if plain else adapted_linears(shape, setup.target_modules)
    # A linear that stands in fewer layers (a head, embeddings) is no part of one.
    per_layer = tuple(m for m in adapted if m.count >= shape.num_hidden_layers)

    saved = _norms(shape, precision, stack, full, q, kv)
    attention_saved, mask, scores = _attention(shape, setup, stack, a, q, kv)
    saved += attention_saved
    if gated:
        # Inductor computes the activation again.
        saved += a * (mlp_in + (0 if stack.compiled else mlp_out))
    else:
        saved += (4 if shape.model_type in _PYTHON_GELU and not stack.fused_qkv else 1) * a * mlp_in
    saved += _experts(shape, a)

    inputs = {"attention_in": h, "attention_out": q, "mlp_in": h, "mlp_out": mlp_out}
    if shape.model_type in _ONE_NORM:
        del inputs["mlp_in"]  # the one norm's output, once
    kept: set[str] = set()
    if full:
        # Under autocast every linear casts its own copy of the float32 norm output.
        copies = precision.autocast and precision.residual == 4
        saved += a * (h * ((3 + (2 if gated else 1)) if copies else 2) + mlp_out)
    else:
        here = [(m, input_of(m.name, m.in_features, shape)) for m in per_layer]
        if "mlp_in" not in inputs:
            here = [(m, "attention_in" if name == "mlp_in" else name) for m, name in here]
        size, kept = kept_by_adapter(setup, stack, precision.autocast, a, here, inputs)
        if stack.compiled and "mlp_out" in kept:
            size -= a * mlp_out  # the product is computed again from its factors
        saved += size + whole_model_adapter(shape, setup, a)
    held = 0
    if stack.keeps_4bit_inputs and setup.weights == "nf4":
        # The attention's output is kept by attention itself.
        saved += a * sum(inputs[name] for name in inputs.keys() - kept - {"attention_out"})
        held = (stack.keeps_4bit_inputs - 1) * a * sum(inputs.values())

    down_saved = full or any(input_of(m.name, m.in_features, shape) == "mlp_out" for m in per_layer)
    # The gradient of the MLP's product and of its two factors, while the product's input is freed.
    active = mlp_out + shape.experts_per_token * shape.expert_intermediate_size
    working = a * active * ((3 if gated else 2) - (1 if down_saved else 0)) + 2 * a * h
    return LayerActivations(saved, working, held, mask, scores)


def _mlp_widths(shape: ModelShape) -> tuple[int, int]:
    """(values into the MLP's activation, out of it) of a mean layer: shared experts and the first
    dense layers of a mixture count, its routed experts do not."""
    into = out = 0
    for linear in shape.linears:
        role = input_of(linear.name, linear.in_features, shape)
        if role == "mlp_in":
            into += linear.out_features * linear.count
        elif role == "mlp_out":
            out += linear.in_features * linear.count
    return into // shape.num_hidden_layers, out // shape.num_hidden_layers


def _experts(shape: ModelShape, a: int) -> int:
    """Routed experts: gate, up, product of each that works on the token, and what it returns, which
    the router's weight multiplies."""
    if not shape.experts:
        return 0
    each = a * (3 * shape.expert_intermediate_size + shape.hidden_size)
    share = shape.expert_layers / shape.num_hidden_layers
    return int(shape.experts_per_token * each * share) + 4 * shape.experts


def _attention(
    shape: ModelShape, setup: TrainingSetup, stack: Stack, a: int, q: int, kv: int
) -> tuple[int, int, int]:
    """(bytes a token, bytes of the batch for the mask, and for the scores).

    Fused kernels keep queries, keys, values, output and a float32 log-sum a head; "eager" the
    scores after softmax in float32 and in the arithmetic's dtype. A mask is there for packed rows,
    and where rows differ in length; with a mask transformers repeats the key-value heads
    (integrations/sdpa_attention.py).
    """
    rows = setup.micro_batch
    masked = (setup.packed or rows > 1) and setup.attention == "sdpa"
    repeated = {"masked": masked, "always": kv != q and setup.attention != "flash", "never": False}[
        stack.repeats_kv
    ]
    saved = a * (2 * q + 2 * (q if repeated else kv)) + 4 * shape.num_attention_heads
    if stack.fused_qkv and not repeated:
        saved += a * (q + kv)
    length = rows * setup.seq_len if setup.packed else setup.seq_len
    pairs = length * length * (1 if setup.packed else rows)
    mask = a * pairs if masked and stack.repeats_kv == "masked" else 0
    capped = shape.model_type in CAPPED_SCORES
    if setup.attention != "eager" and not (capped and stack.repeats_kv == "always"):
        return saved, mask, 0
    each = 4 + a + (a if capped else 0)
    return saved, mask, each * shape.num_attention_heads * pairs


def _norms(
    shape: ModelShape, precision: Precision, stack: Stack, full: bool, q: int, kv: int
) -> int:
    count = 4 if shape.model_type in _FOUR_NORMS else 1 if shape.model_type in _ONE_NORM else 2
    width = count * shape.hidden_size
    if shape.model_type in _QUERY_KEY_NORM:
        width += q + kv
    if stack.compiled:
        return precision.activation * width
    wide = 4 if precision.autocast or shape.model_type not in _LAYER_NORM else precision.residual
    # A trained scale also needs the normalised input, in the residual's size as a rule.
    scale = 4 if stack.norms_in_float32 else precision.residual
    scale = scale if full and shape.model_type not in _LAYER_NORM else 0
    return (wide + scale) * width


def input_of(name: str, in_features: int, shape: ModelShape) -> str:
    """Which of a layer's four inputs a linear takes, by its name and width."""
    if name in _MLP_OUT or (in_features == shape.intermediate_size != shape.hidden_size):
        return "mlp_out"
    if name in _MLP_IN:
        return "mlp_in"
    # GPT-2 calls both output projections c_proj; the MLP's was caught by its width.
    return "attention_out" if name in _ATTENTION_OUT or name == "c_proj" else "attention_in"


def largest_linear(linears: tuple[Linear, ...]) -> int:
    """Weights of the largest linear layer."""
    return max((m.in_features * m.out_features for m in linears), default=0)
