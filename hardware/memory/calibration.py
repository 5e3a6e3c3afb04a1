"""Measured peaks beside their predictions, and the correction that follows from them. Pure.

Where a kind of run was measured three times or more, the next prediction for that kind is corrected
by the median of measured / predicted. The correction is a line item of its own and can be left out.
"""

from __future__ import annotations

import msgspec

from tunewright.hardware.memory.estimate import Measure, MemoryEstimate, MemoryItem

LEAST_RUNS = 3
# Medians of few runs of one kind are noisy; a larger correction says that something is wrong with
# the prediction, and is not hidden by a factor.
_MOST = 1.5
_WHICH: dict[str, Measure] = {"host rss": "device", "gpu allocated": "allocated"}


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What makes runs alike: method, model family, device and the versions that coefficients depend
    on (major.minor of torch, transformers, trl and peft)."""

    method: str
    family: str
    device: str
    versions: str


class MeasuredSpeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens a second of a model of so many parameters, on a machine named by its GPU or CPU;
    `micro_batch` rows of `seq_len` tokens, padding counted."""

    tokens_per_second: float
    parameters: int
    seq_len: int
    micro_batch: int
    machine: str


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One run: what was predicted before any correction, and what was measured; `of` says which
    figure ("host rss", "gpu allocated"). `run` is the run's id, `at` Unix seconds."""

    key: Key
    predicted_bytes: int
    measured_bytes: int
    of: str
    run: str
    at: float
    speed: MeasuredSpeed | None = None


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The median ratio of measured to predicted over `runs` runs."""

    ratio: float
    runs: int
    of: str


def key_of(method: str, family: str, device: str, packages: dict[str, str]) -> Key:
    """The key of a run by its recorded package versions."""
    named = ("torch", "transformers", "trl", "peft")
    known = [
        f"{name} {'.'.join(packages[name].split('+')[0].split('.')[:2])}"
        for name in named
        if name in packages
    ]
    return Key(method, family, device, ", ".join(known))


def correction_for(key: Key, measured: tuple[Measured, ...]) -> Correction | None:
    """The correction for that key; None below three runs that measured one figure."""
    own: dict[str, list[float]] = {}
    # A run that was resumed or trained again counts once, by its last figure.
    latest = {row.run: row for row in measured if row.key == key and row.predicted_bytes > 0}
    for row in latest.values():
        own.setdefault(row.of, []).append(row.measured_bytes / row.predicted_bytes)
    if not own:
        return None
    of, ratios = max(own.items(), key=lambda pair: (len(pair[1]), pair[0]))
    if len(ratios) < LEAST_RUNS:
        return None
    # Only where runs were measured: the import takes 3 ms of a dry run.
    import statistics

    ratio = min(_MOST, max(1 / _MOST, statistics.median(ratios)))
    return Correction(ratio, len(ratios), of)


def corrected(estimate: MemoryEstimate, correction: Correction) -> MemoryEstimate:
    """The estimate with its tensors scaled by the ratio, as one more line item; the process around
    them (context, libraries) is what it is where the figure does not hold it."""
    measure = _WHICH.get(correction.of, "device")
    base = estimate.measured_as(measure).expected_bytes
    change = int(base * (correction.ratio - 1))
    item = MemoryItem(
        "correction",
        change,
        f"{correction.runs} runs of this kind measured {correction.ratio:.2f} times what was "
        f"predicted ({correction.of})",
    )

    def moved(bytes_: int) -> int:
        return max(0, bytes_ + change)

    return msgspec.structs.replace(
        estimate,
        items=(*estimate.items, item),
        expected_bytes=moved(estimate.expected_bytes),
        low_bytes=moved(estimate.low_bytes),
        high_bytes=moved(estimate.high_bytes),
        # What was measured moves the bound up, and never below what was safe before.
        safe_bytes=max(estimate.safe_bytes, moved(estimate.safe_bytes)),
        assumptions=(*estimate.assumptions, item.why),
    )


def predicted_for(estimate: MemoryEstimate, of: str) -> int:
    """What a training step was predicted to show as the figure `of`, without a correction and
    without the stages around it."""
    measure = _WHICH.get(of, "device")
    if measure == "allocated" and estimate.allocated is not None:
        return estimate.measured_as(measure).expected_bytes
    beside = ("correction", "later-stage")
    return estimate.expected_bytes - sum(i.bytes for i in estimate.items if i.id in beside)
