"""Bytes that a forward pass keeps for the backward one: a count of saved tensors, not a fit.

Counted from the code of transformers 5.23 (Llama's decoder layer and its kin), peft 0.21 (LoRA's
forward), trl 1.16 (the fused head) and torch's autograd formulas; checked against the profiler's
allocations on the CPU. All sizes are bytes a token unless said otherwise.
"""

from __future__ import annotations

import msgspec

from tunewright.hardware.memory.estimate import TrainingSetup
from tunewright.hardware.memory.states import adapted_linears
from tunewright.hardware.shapes import Linear, ModelShape

# TRL's fused head works on tiles of at most so many tokens and vocabulary columns
# (TOKEN_CHUNK_SIZE in trl/kernels/chunked_logprob.py, _CHUNKED_LOGPROB_CHUNK_SIZE in
# trl/trainer/utils.py)
TILE_TOKENS = 4096
TILE_COLUMNS = 32768

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
_FOUR_NORMS = {"gemma2", "gemma3", "gemma3_text", "glm4"}
_QUERY_KEY_NORM = {"qwen3", "qwen3_moe", "gemma3", "gemma3_text", "olmo2", "olmo3"}
# NewGELUActivation is Python too and keeps x, x/2, tanh and 1 + tanh.
_PYTHON_GELU = {"gpt2", "phi", "gptj", "codegen"}


class Precision(msgspec.Struct, frozen=True):
    """`activation` bytes of the arithmetic; `residual` bytes of the stream between layers;
    `autocast`: torch casts at each operation (the Trainer's bf16 and fp16 flags)."""

    activation: int
    residual: int
    autocast: bool


def precision_of(setup: TrainingSetup) -> Precision:
    """On CUDA the Trainer runs under 16-bit autocast; on the CPU in the dtype of the weights
    (nf4 is unpacked to float32 there)."""
    if setup.device == "cuda":
        return Precision(2, 4 if setup.weights == "float32" else 2, autocast=True)
    size = 2 if setup.weights in ("bfloat16", "float16") else 4
    return Precision(size, size, autocast=False)


class LayerActivations(msgspec.Struct, frozen=True):
    """One decoder layer: `saved` for its backward, `working` more while that runs, and `attention`,
    bytes of the whole batch for masks."""

    saved: int
    working: int
    attention: int


def layer_activations(
    shape: ModelShape, setup: TrainingSetup, precision: Precision
) -> LayerActivations:
    """What one layer keeps, by part: norms, attention (flash or memory-efficient: no scores), MLP,
    and the inputs of whatever is trained."""
    a, h, f = precision.activation, shape.hidden_size, shape.intermediate_size
    q = shape.num_attention_heads * shape.head_dim
    kv = shape.num_key_value_heads * shape.head_dim
    full = setup.trainable == "all"
    adapted = () if full else adapted_linears(shape, setup.target_modules)

    saved = _norms(shape, precision, full, q, kv)
    rows = setup.micro_batch
    # Rows of unlike length and packed ones bring a mask, and with a mask transformers repeats the
    # key-value heads to the query's width (integrations/sdpa_attention.py).
    masked = setup.packed or rows > 1
    saved += a * (2 * q + 2 * (q if masked else kv)) + 4 * shape.num_attention_heads
    length = rows * setup.seq_len if setup.packed else setup.seq_len
    attention = a * length * length * (1 if setup.packed else rows) if masked else 0

    gated = _is_gated(shape)
    if gated:
        saved += 3 * a * f
    else:
        saved += (4 if shape.model_type in _PYTHON_GELU else 1) * a * f
    inputs = {"attention_in": h, "attention_out": q, "mlp_in": h, "mlp_out": f}
    if full:
        # Under autocast every linear casts its own copy of the float32 norm output.
        copies = precision.autocast and precision.residual == 4
        saved += a * (h * ((3 + (2 if gated else 1)) if copies else 2) + f)
    else:
        saved += _adapter_inputs(shape, setup, precision, inputs, adapted)

    down_saved = full or any(_input_of(m.name, m.in_features, shape) == "mlp_out" for m in adapted)
    # The gradient of the MLP's product and of its two factors, while the product's input is freed.
    working = a * f * ((3 if gated else 2) - (1 if down_saved else 0)) + 2 * a * h
    return LayerActivations(saved, working, attention)


def _norms(shape: ModelShape, precision: Precision, full: bool, q: int, kv: int) -> int:
    wide = 4 if precision.autocast or shape.model_type not in _LAYER_NORM else precision.residual
    count = 4 if shape.model_type in _FOUR_NORMS else 2
    width = count * shape.hidden_size
    if shape.model_type in _QUERY_KEY_NORM:
        width += q + kv
    # A trained scale also needs the normalised input, in the residual's size.
    scale = precision.residual if full and shape.model_type not in _LAYER_NORM else 0
    return (wide + scale) * width


def _adapter_inputs(
    shape: ModelShape,
    setup: TrainingSetup,
    precision: Precision,
    inputs: dict[str, int],
    adapted: tuple[Linear, ...],
) -> int:
    """Inputs of A (and of B: rank values) that LoRA keeps.

    Where adapter and activations have one dtype, linears with the same input share it, and the
    attention's output is kept already. Else peft casts a copy for each adapted linear; under
    autocast it is then kept in 16 bits. A 4-bit linear leaves the cast to autocast, which sees that
    none is needed. Dropout keeps a mask and a copy for each.
    """
    a = precision.activation
    per_layer = [m for m in adapted if m.count >= shape.num_hidden_layers]
    shared = setup.adapter_bytes == a or (setup.weights == "nf4" and precision.autocast)
    copy = a if precision.autocast else setup.adapter_bytes
    total = sum((a if precision.autocast else setup.adapter_bytes) * setup.rank for _ in per_layer)
    if setup.lora_dropout:
        # CUDA's fused dropout keeps a byte a value; the CPU multiplies by a mask of the same dtype.
        mask = 1 if setup.device == "cuda" else copy
        return total + sum((mask + copy) * m.in_features for m in per_layer)
    if not shared:
        return total + sum(copy * m.in_features for m in per_layer)
    kept = {_input_of(m.name, m.in_features, shape) for m in per_layer} - {"attention_out"}
    return total + sum(a * inputs[name] for name in kept)


def _input_of(name: str, in_features: int, shape: ModelShape) -> str:
    if name in _MLP_OUT or (in_features == shape.intermediate_size != shape.hidden_size):
        return "mlp_out"
    if name in _MLP_IN:
        return "mlp_in"
    # GPT-2 calls both output projections c_proj; the MLP's was caught by its width.
    return "attention_out" if name in _ATTENTION_OUT or name == "c_proj" else "attention_in"


def _is_gated(shape: ModelShape) -> bool:
    """Two projections into the MLP (or one of twice its width) instead of one."""
    widths = [
        linear.out_features
        for linear in shape.linears
        if _input_of(linear.name, linear.in_features, shape) == "mlp_in"
    ]
    return sum(widths) >= 2 * shape.intermediate_size


class LossBuffers(msgspec.Struct, frozen=True):
    """Bytes of the whole batch at the start of the backward pass, and how they come about;
    `forward`: what is there when the forward pass ends."""

    bytes: int
    forward: int
    why: str


def loss_buffers(shape: ModelShape, setup: TrainingSetup, precision: Precision) -> LossBuffers:
    """What turns hidden states into a loss holds at its peak, its backward.

    Chunked (trl): one tile of logits; on CUDA a kernel turns it into the gradient in place, without
    Triton (the CPU) seven float32 tiles and a mask are there at once. The gradients of the hidden
    states, and of a trained head, are summed in float32. Not chunked (transformers): the logits,
    which the caller's outputs hold, their log-softmax, and two gradients of that size in float32.
    """
    tokens = setup.micro_batch * setup.seq_len
    a, h, v = precision.activation, shape.hidden_size, shape.vocab_size
    head_gradient = 4 * v * h if setup.trainable == "all" else 0
    if not setup.chunked_loss:
        per_logit = (4 if precision.autocast else a) + 12
        return LossBuffers(
            per_logit * v * tokens,
            (a + 8) * v * tokens,
            f"{tokens} tokens x {v} logits x {per_logit} bytes: logits, log-softmax and two "
            "float32 gradients",
        )
    rows, columns = min(tokens, TILE_TOKENS), min(v, TILE_COLUMNS)
    tile = rows * TILE_COLUMNS * a
    forward = tile + a * h * tokens
    total = tile + (4 + 2 * a) * h * tokens + head_gradient
    why = f"a tile of {rows} tokens x {TILE_COLUMNS} logits x {a} bytes"
    if setup.device == "cpu":
        total += rows * columns * 29
        why += f", seven float32 copies of its {columns} columns and a mask (no Triton on a CPU)"
    elif precision.residual == 4:
        total += columns * h * a
    if head_gradient:
        why += f", and the head's gradient of {v} x {h} in float32"
    return LossBuffers(total, forward, why + "; hidden states and their gradient")
