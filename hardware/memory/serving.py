"""What serving takes: vLLM by version, and transformers' generate for comparison.

vLLM (`estimate_serving`) fills the share of the GPU that it is told to use: weights, the activation
peak of its profiling run, memory outside torch, and all that is left as KV cache. So the question
is not what it takes but how much cache, and with it context and concurrency, is left.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tunewright.hardware.errors import Problem
from tunewright.hardware.fit import largest
from tunewright.hardware.memory.estimate import MemoryItem, Range, Weights
from tunewright.hardware.memory.storage import quantised_bytes, stored_parts
from tunewright.hardware.shapes import ModelShape

_GIB = 1 << 30
_MIB = 1 << 20

KvDtype = Literal["bfloat16", "float16", "fp8"]
_KV_BYTES = {"bfloat16": 2, "float16": 2, "fp8": 1}

# vLLM's profiling run ends in the sampler: max_num_seqs rows of logits in 16 bits, in float32, as
# probabilities and as the noise that they are divided by, gathered on every device; until 0.16 also
# sorted with their indices for top-p. Bytes a logit, from (activation peak - hidden states) /
# (rows x vocabulary) of vLLM's log lines: 2.23 and 5.64 GiB for Qwen3-14B, 2.21 for Qwen2.5-7B on
# one, two and four GPUs (llm-d-planner's accuracy report, 0.15 to 0.19, 1024 rows, 8192 tokens).
_SAMPLER_BYTES = ((17, 14.85), (0, 38.4))
# A replica of one GPU holds 0.13 GiB (up to 0.17) or 0.25 GiB (from 0.18) outside torch; with
# tensor parallelism NCCL and custom all-reduce buffers make it 2.06 to 2.13 GiB (0.19 at two and
# four GPUs).
_NON_TORCH = ((18, int(0.25 * _GIB)), (0, int(0.13 * _GIB)))
_NON_TORCH_PARALLEL = int(2.09 * _GIB)


class ServingSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model is served. `version` is vLLM's minor one (19 for 0.19). `batched_tokens` and
    `max_rows` are max_num_batched_tokens and max_num_seqs; the former's defaults are vLLM's own by
    device class. `adapters` LoRA adapters of up to `adapter_rank` are loaded at once."""

    weights: Weights = "bfloat16"
    kv_dtype: KvDtype = "bfloat16"
    version: int = 19
    parallel: int = 1
    utilisation: float = 0.9
    batched_tokens: int = 8192
    max_rows: int = 1024
    context: int | None = None
    adapters: int = 0
    adapter_rank: int = 16


class ServingEstimate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`items` are what one device holds before any cache; `kv_bytes` what is left for it, which
    holds `kv_tokens` tokens: `largest_context` in one row, `concurrency` rows of the context that
    was asked for. `needed` is the sum of items with its range."""

    items: tuple[MemoryItem, ...]
    needed: Range
    kv_bytes: int
    kv_tokens: int
    kv_bytes_per_token: int
    largest_context: int
    concurrency: float
    assumptions: tuple[str, ...]


def model_bytes(shape: ModelShape, weights: Weights) -> int:
    """Bytes of the loaded weights: quantised linear layers (experts too), the rest in 16 bits."""
    quantised, rest = stored_parts(shape, weights)
    if quantised == 0:
        return quantised_bytes(rest, weights)
    if weights == "fp8" and shape.tie_word_embeddings:
        # The fp8 checkpoints of small models store the tied head a second time (Qwen3's do).
        rest += shape.vocab_size * shape.hidden_size
    return quantised_bytes(quantised, weights) + 2 * rest


def kv_bytes_per_token(shape: ModelShape, kv_dtype: KvDtype = "bfloat16", parallel: int = 1) -> int:
    """Bytes of keys and values that one token adds on one device, over all layers (sliding layers
    count in full here: see `kv_bytes`). Key-value heads are shared over devices down to one each;
    latent attention keeps one vector, on every device."""
    size = _KV_BYTES[kv_dtype]
    if shape.latent_kv:
        return shape.num_hidden_layers * shape.latent_kv * size
    heads = max(1, -(-shape.num_key_value_heads // parallel))
    return 2 * shape.num_hidden_layers * heads * shape.head_dim * size


def kv_bytes(
    shape: ModelShape, tokens: int, kv_dtype: KvDtype = "bfloat16", parallel: int = 1
) -> int:
    """Bytes of the cache of one row of `tokens`: sliding layers keep their window only."""
    each = kv_bytes_per_token(shape, kv_dtype, parallel)
    if not shape.sliding_window or not shape.sliding_layers:
        return each * tokens
    per_layer = each // shape.num_hidden_layers
    whole = shape.num_hidden_layers - shape.sliding_layers
    kept = min(tokens, shape.sliding_window)
    return per_layer * (whole * tokens + shape.sliding_layers * kept)


def estimate_serving(shape: ModelShape, setup: ServingSetup, device_bytes: int) -> ServingEstimate:
    """What vLLM holds on each of `setup.parallel` devices of `device_bytes`, and what is left for
    its cache. Problem for heads that cannot be shared so."""
    if shape.num_attention_heads % setup.parallel:
        raise Problem(
            f"{setup.parallel} devices cannot share {shape.num_attention_heads} attention heads",
            why="tensor parallelism gives each device the same number of heads",
            cure="choose a number of devices that divides the heads",
        )
    n = setup.parallel
    weights = -(-model_bytes(shape, setup.weights) // n)
    if setup.weights in ("bfloat16", "float16") and n > 1:
        # Norms are on every device; embeddings and head are shared by rows of the vocabulary.
        weights += 2 * 2 * shape.hidden_size * shape.num_hidden_layers * (n - 1) // n
    activation = _activation(shape, setup)
    outside = _NON_TORCH_PARALLEL if n > 1 else int(_by_version(_NON_TORCH, setup.version))
    items = [
        MemoryItem("weights", weights, _weights_why(shape, setup)),
        MemoryItem(
            "activations",
            activation,
            f"vLLM 0.{setup.version} profiles {setup.batched_tokens:,} tokens and "
            f"{setup.max_rows:,} rows of {shape.vocab_size:,} logits",
        ),
        MemoryItem(
            "outside-torch", outside, "CUDA libraries" + (" and NCCL's buffers" if n > 1 else "")
        ),
    ]
    if setup.adapters:
        lora = (
            2
            * setup.adapters
            * setup.adapter_rank
            * sum((m.in_features + m.out_features) * m.count for m in shape.linears)
            // n
        )
        items.append(
            MemoryItem("adapters", lora, f"{setup.adapters} slots of rank {setup.adapter_rank}")
        )
    needed = sum(item.bytes for item in items)
    left = max(0, int(device_bytes * setup.utilisation) - needed)
    each = kv_bytes_per_token(shape, setup.kv_dtype, n)
    tokens = left // each
    most = shape.max_position_embeddings or tokens
    context = min(setup.context or most, most)
    per_row = kv_bytes(shape, max(1, context), setup.kv_dtype, n)
    return ServingEstimate(
        items=tuple(items),
        needed=_needed(items, needed),
        kv_bytes=left,
        kv_tokens=tokens,
        kv_bytes_per_token=each,
        largest_context=_largest_context(shape, setup, left, most),
        concurrency=left / per_row,
        assumptions=(
            f"vLLM 0.{setup.version}, with {setup.utilisation:.0%} of the device for it",
            f"cache in {setup.kv_dtype}, without prefixes that rows share",
            f"weights in {setup.weights}, on {n} device(s)",
        ),
    )


def _needed(items: list[MemoryItem], total: int) -> Range:
    """Weights are certain to half a percent; the profile to a fifth, what is outside torch too."""
    rest = total - items[0].bytes
    low = int(items[0].bytes * 0.995 + rest * 0.8)
    high = int(items[0].bytes * 1.01 + rest * 1.2) + 64 * _MIB
    return Range(total, low, high, high)


def _activation(shape: ModelShape, setup: ServingSetup) -> int:
    """The peak of the profiling run beside one set of hidden states: the sampler's logits, or the
    MLP's gate and up with their product for all batched tokens, whichever is more."""
    tokens = setup.batched_tokens
    wide = max(
        shape.intermediate_size,
        shape.experts_per_token * shape.expert_intermediate_size,
    )
    mlp = 2 * tokens * 3 * wide // setup.parallel
    sampler = _by_version(_SAMPLER_BYTES, setup.version) * setup.max_rows * shape.vocab_size
    return 2 * tokens * shape.hidden_size + int(max(mlp, sampler))


def _by_version(table: tuple[tuple[int, float], ...], version: int) -> float:
    return next(value for since, value in table if version >= since)


def _largest_context(shape: ModelShape, setup: ServingSetup, left: int, most: int) -> int:
    return largest(lambda n: kv_bytes(shape, n, setup.kv_dtype, setup.parallel) <= left, most)


def _weights_why(shape: ModelShape, setup: ServingSetup) -> str:
    shared = f", shared by {setup.parallel}" if setup.parallel > 1 else ""
    return f"{shape.parameters:,} parameters in {setup.weights}{shared}"


class GenerateEstimate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """transformers' generate: bytes while it decodes, and at the end of its prefill."""

    items: tuple[MemoryItem, ...]
    decoding_bytes: int
    prefill_bytes: int

    @property
    def expected_bytes(self) -> int:
        """The higher of the two."""
        return max(self.decoding_bytes, self.prefill_bytes)


def estimate_generate(
    shape: ModelShape,
    weights: Weights,
    rows: int,
    prompt: int,
    new_tokens: int,
    *,
    weight_bytes: int | None = None,
    activation: int = 2,
) -> GenerateEstimate:
    """Bytes of `rows` rows that are continued by transformers' generate (its DynamicCache grows by
    concatenation: two copies of one layer for a moment). `weight_bytes` where they are known
    better, `activation` bytes of the arithmetic (4 on a CPU)."""
    held = model_bytes(shape, weights) if weight_bytes is None else weight_bytes
    per_token = kv_bytes_per_token(shape) * activation // 2
    cache = rows * (prompt + new_tokens) * per_token
    layer = cache // shape.num_hidden_layers
    wide = max(shape.intermediate_size, shape.experts_per_token * shape.expert_intermediate_size)
    # Gate, up and product of one layer, hidden states and residual; the last token's logits.
    prefill = rows * prompt * activation * (3 * wide + 2 * shape.hidden_size)
    logits = rows * shape.vocab_size * (activation + 4)
    workspace = 0
    if weights not in ("float32", "bfloat16", "float16"):
        workspace = activation * max(
            (m.in_features * m.out_features for m in shape.linears), default=0
        )
    items = (
        MemoryItem("weights", held, f"{shape.parameters:,} parameters in {weights}"),
        MemoryItem(
            "cache", cache, f"{rows} x {prompt + new_tokens:,} tokens x {per_token:,} bytes"
        ),
        MemoryItem("prefill", prefill, f"{rows} x {prompt:,} tokens through one layer"),
        MemoryItem("logits", logits, f"the last token of {rows} rows"),
    )
    decoding = held + cache + layer + logits
    at_prefill = held + rows * prompt * per_token + prefill + logits + workspace
    return GenerateEstimate(items, decoding, at_prefill)
