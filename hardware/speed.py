"""Tokens a second and hours, from FLOPs, bandwidth and a stated utilisation, with an interval.

A training step is bound by arithmetic where the batch is large, and by the launch of kernels where
it is small; 4-bit weights are unpacked in each pass beside that. Serving is bound by memory: each
new token reads the weights once for all rows, and the cache of each.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tunewright.hardware.catalogue import Part, part_of
from tunewright.hardware.memory.adapters import adapted_linears, trainable_parameters
from tunewright.hardware.memory.estimate import TrainingSetup, Weights
from tunewright.hardware.memory.serving import kv_bytes_per_token, model_bytes
from tunewright.hardware.memory.storage import linear_parameters
from tunewright.hardware.shapes import ModelShape
from tunewright.hardware.snapshot import Gpu, Host

# (low, expected, high) share of the data sheet's dense rate that a tuned transformer reaches in its
# matrix products. PaLM (arXiv:2204.02311, table 3) reports 21 to 46 % for large runs; single-device
# loops with flash attention are at the upper end.
_UTILISATION = (0.30, 0.48, 0.65)
# Launching a kernel from Python: about 10 microseconds, and so many kernels a layer and pass
# (transformers' decoder layer, and peft's A, B, scaling, casts and sum for each adapted linear).
_LAUNCH_SECONDS = 10e-6
_KERNELS_A_LAYER = 50
_KERNELS_AN_ADAPTER = 10
# Share of the bandwidth that unpacking reaches: 4 bits are read and 16 written, and read again.
_UNPACK_SHARE = {"nf4": 0.38, "awq4": 0.3, "gptq4": 0.2, "gptq8": 0.2, "int8": 0.3}
_UNPACK_BYTES = 4.5
# What several devices keep of their sum: gradients alone, or parameters too, by link.
_SHARED = {
    "none": 1.0, "ddp": 0.95, "zero1": 0.92, "zero2": 0.9, "zero3": 0.8, "fsdp": 0.82,
}  # fmt: skip
_WITHOUT_NVLINK = {"ddp": 0.9, "zero1": 0.8, "zero2": 0.75, "zero3": 0.45, "fsdp": 0.5}
_OFFLOADED = {"none": 1.0, "optimizer": 0.6, "all": 0.25}
# float32 products of a core with AVX2: SmolLM2's LoRA steps at 131 to 157 tokens/s on two cores are
# 35 to 42 GFLOP/s a core.
_CPU_CORE_FLOPS = 38e9
# Decoding reads memory at this share of its bandwidth, (low, expected, high); prefill computes at
# that share of the dense rate.
_DECODE_SHARE = (0.45, 0.65, 0.8)
_PREFILL_SHARE = (0.3, 0.5, 0.65)


class Interval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A figure that is estimated: the likely range around what is expected."""

    expected: float
    low: float
    high: float


class Speed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens of training a second over all devices, and what bounds them."""

    tokens_per_second: Interval
    bound: str
    why: str

    def hours(self, tokens: int) -> Interval:
        """Hours for so many tokens; the longest belongs to the lowest speed."""
        rate = self.tokens_per_second
        each = [tokens / value / 3600 for value in (rate.expected, rate.high, rate.low)]
        return Interval(*each)


def active_parameters(shape: ModelShape) -> int:
    """Weights that multiply each token: linear layers, the experts at work, the output head."""
    experts = (
        3 * shape.hidden_size * shape.expert_intermediate_size
        * shape.experts_per_token * shape.expert_layers
    )  # fmt: skip
    return linear_parameters(shape) + experts + shape.vocab_size * shape.hidden_size


def flops_per_token(shape: ModelShape, setup: TrainingSetup) -> float:
    """Floating-point operations of a training step for one token.

    2 a weight forward, 2 backward for the input's gradient, 2 for the weight's where it is trained
    (arXiv:2001.08361, section 2.1), and a second forward pass under checkpointing; attention over
    half the row on average (causal), twice as much backward.
    """
    active = active_parameters(shape)
    q = shape.num_attention_heads * shape.head_dim
    attention = 2 * setup.seq_len * q * shape.num_hidden_layers
    passes = 1 + (1 if setup.gradient_checkpointing else 0)
    full = setup.trainable == "all"
    total = 2 * active * (passes + (2 if full else 1)) + attention * (passes + 2)
    if not full and setup.adapter_parameters is None and setup.rank:
        total += 6 * trainable_parameters(shape, setup.rank, setup.target_modules)
    return float(total)


def training_speed(
    shape: ModelShape, setup: TrainingSetup, part: Part | None, host: Host, nvlink: bool = False
) -> Speed | None:
    """Tokens a second on devices of one part (or the CPU); None for a device whose rates are not
    known."""
    flops = flops_per_token(shape, setup)
    tokens = setup.micro_batch * setup.seq_len
    if setup.device == "cpu":
        alone = host.cores * _CPU_CORE_FLOPS / flops
        return Speed(
            Interval(alone, alone * 0.35, alone * 1.6),
            "arithmetic",
            f"{flops / 1e9:.1f} GFLOP a token, {host.cores} cores at 38 GFLOP/s in float32",
        )
    if part is None:
        return None
    peak = part.fp16_flops if part.bf16_flops is None else part.bf16_flops
    passes = 3 + (1 if setup.gradient_checkpointing else 0)
    adapted = 0
    if setup.trainable == "lora" and setup.adapter_parameters is None:
        layers = adapted_linears(shape, setup.target_modules)
        adapted = sum(m.count for m in layers) // shape.num_hidden_layers
    kernels = (_KERNELS_A_LAYER + _KERNELS_AN_ADAPTER * adapted) * shape.num_hidden_layers
    launch = kernels * passes * _LAUNCH_SECONDS * (0.4 if setup.compiled else 1.0)
    unpack = 0.0
    if setup.weights in _UNPACK_SHARE:
        per_pass = linear_parameters(shape) * _UNPACK_BYTES
        unpack = per_pass * (passes - 1) / (part.bandwidth * _UNPACK_SHARE[setup.weights])

    def rate(share: float, slower: float) -> float:
        seconds = max(tokens * flops / (peak * share), launch * slower) + unpack * slower
        return tokens / seconds

    expected = rate(_UTILISATION[1], 1.0)
    low, high = rate(_UTILISATION[0], 1.8), rate(_UTILISATION[2], 0.6)
    many = _many(setup, nvlink)
    arithmetic = tokens * flops / (peak * _UTILISATION[1])
    bound = "arithmetic" if arithmetic >= launch else "the launch of kernels"
    if unpack > max(arithmetic, launch):
        bound = "unpacking the weights"
    why = (
        f"{flops / 1e9:.1f} GFLOP a token at {_UTILISATION[1]:.0%} ({_UTILISATION[0]:.0%} to "
        f"{_UTILISATION[2]:.0%}) of {part.name}'s {peak / 1e12:.0f} TFLOP/s"
    )
    if setup.devices > 1:
        why += f", {setup.devices} devices at {many / setup.devices:.0%} each"
    return Speed(Interval(expected * many, low * many * 0.9, high * many), bound, why)


def _many(setup: TrainingSetup, nvlink: bool) -> float:
    share = _SHARED[setup.sharding]
    if not nvlink:
        share = _WITHOUT_NVLINK.get(setup.sharding, share)
    return (
        setup.devices * share * _OFFLOADED[setup.offload]
        if setup.devices > 1
        else (_OFFLOADED[setup.offload])
    )


class ServingSpeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds to the first token, tokens a second of one row and of all, at `rows` rows at once."""

    rows: int
    first_token_seconds: Interval
    row_tokens_per_second: Interval
    tokens_per_second: Interval
    why: str

    def users(self, tokens_per_second: float) -> int:
        """People who each read so many tokens a second, all at once; 0 when not even one can."""
        if self.row_tokens_per_second.expected < tokens_per_second:
            return 0
        return self.rows


def serving_speed(
    shape: ModelShape,
    weights: Weights,
    part: Part,
    *,
    rows: int,
    prompt: int,
    context: int,
    parallel: int = 1,
) -> ServingSpeed:
    """Decoding by bandwidth: the weights that work are read once a step for all rows, the cache of
    each row once; the first token by arithmetic: two operations a weight and prompt token."""
    peak = part.fp16_flops if part.bf16_flops is None else part.bf16_flops
    held = model_bytes(shape, weights)
    share = min(1.0, active_parameters(shape) * max(1, rows) / max(1, shape.parameters))
    read = held * (share if shape.experts else 1.0) / parallel
    cache = rows * context * kv_bytes_per_token(shape, "bfloat16", parallel)
    first, each = [], []
    for at in range(3):
        step = (read + cache) / (part.bandwidth * _DECODE_SHARE[at]) + 0.0015
        each.append(1 / step)
        work = 2 * active_parameters(shape) * prompt / (peak * _PREFILL_SHARE[at] * parallel)
        first.append(max(work, read / (part.bandwidth * _DECODE_SHARE[at])) + 0.01)
    row = Interval(each[1], each[0], each[2])
    return ServingSpeed(
        rows=rows,
        first_token_seconds=Interval(first[1], first[2], first[0]),
        row_tokens_per_second=row,
        tokens_per_second=Interval(row.expected * rows, row.low * rows, row.high * rows),
        why=f"each step reads {read / 1e9:.1f} GB of weights and {cache / 1e9:.1f} GB of cache at "
        f"{_DECODE_SHARE[1]:.0%} of {part.bandwidth / 1e9:.0f} GB/s",
    )


def slowest_of(gpus: Sequence[Gpu]) -> Part | None:
    """The part that sets the pace of devices that step together; None when the catalogue lacks one
    of them."""
    parts = [part for part in map(part_of, gpus) if part is not None]
    return min(parts, key=lambda part: part.fp16_flops) if 0 < len(parts) == len(gpus) else None
