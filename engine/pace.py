"""How fast a planned training would be: measured where it was, else from FLOPs and bandwidth. Pure.

A probe, or an earlier run of the same model on the same machine, is worth more than any formula;
what it measured with rows of another length is scaled by the formula's own ratio.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tunewright.engine.devices.planned import (
    are_linked,
    lowest_capability,
    planned_gpu,
    planned_gpus,
)
from tunewright.engine.plan import DEVICES, Plan
from tunewright.engine.session import Recorded
from tunewright.engine.text import duration
from tunewright.engine.train.registry import method
from tunewright.hardware.memory.calibration import MeasuredSpeed, key_of
from tunewright.hardware.memory.estimate import TrainingSetup
from tunewright.hardware.speed import Interval, Speed, slowest_of, training_speed

# Steps of one machine differ by its clock, its heat and what else it does.
_MEASURED_SPREAD = 0.15


class Pace(msgspec.Struct, frozen=True):
    """Tokens a second and hours of the whole training; `measured` says that a step was timed."""

    speed: Speed
    hours: Interval
    tokens: int
    measured: bool


def machine_of(plan: Plan, recorded: Recorded) -> str:
    """The name of what computes: the planned GPU, or the CPU."""
    gpu = planned_gpu(plan, recorded.snapshot)
    return recorded.snapshot.host.cpu_model or "cpu" if gpu is None else gpu.name


def pace_of(plan: Plan, recorded: Recorded) -> Pace | None:
    """The pace of a plan; None where the device's rates are not known and nothing was measured."""
    values = {key: decision.value for key, decision in plan.settings.items()}
    gpus = planned_gpus(plan, recorded.snapshot)
    setup = method(plan.method.value).training_setup(
        plan.device.value, lowest_capability(gpus), values, recorded.data.length_max
    )
    tokens = tokens_of(values, recorded)
    part = slowest_of(gpus)
    linked = are_linked(gpus, recorded.snapshot.pairs)

    def counted(setup: TrainingSetup) -> Speed | None:
        return training_speed(recorded.model, setup, part, recorded.snapshot.host, linked)

    speed, found = counted(setup), _measured(plan, recorded)
    if found is not None:
        # What was measured was one process on one device.
        then = msgspec.structs.replace(
            setup,
            seq_len=found.seq_len,
            micro_batch=found.micro_batch,
            devices=1,
            sharding="none",
        )
        before = counted(then)
        rate = found.tokens_per_second
        if speed is not None and before is not None:
            rate *= speed.tokens_per_second.expected / before.tokens_per_second.expected
        around = Interval(rate, rate * (1 - _MEASURED_SPREAD), rate * (1 + _MEASURED_SPREAD))
        why = (
            f"measured: {found.tokens_per_second:,.0f} tokens/s in steps of {found.micro_batch} x "
            f"{found.seq_len:,} tokens on {found.machine}"
        )
        speed = Speed(around, "measured", why)
    if speed is None or tokens <= 0:
        return None
    return Pace(speed, speed.hours(tokens), tokens, found is not None)


def tokens_of(values: Mapping[str, Any], recorded: Recorded) -> int:
    """Tokens that a training goes through, by its settings: epochs of the rows, or a given number
    of steps of rows of the mean length."""
    data, steps = recorded.data, int(values.get("training.max_steps", -1))
    if steps > 0 and data.rows:
        rows: int = values["training.per_device_train_batch_size"] * values.get(DEVICES, 1)
        rows *= values["training.gradient_accumulation_steps"] * steps
        return rows * data.train_tokens // data.rows
    return int(data.train_tokens * values["training.num_train_epochs"])


def _measured(plan: Plan, recorded: Recorded) -> MeasuredSpeed | None:
    """The newest speed that was measured of this method, this model and these versions here."""
    key = key_of(
        plan.method.value,
        recorded.model.model_type,
        plan.device.value,
        recorded.environment.packages,
    )
    machine = machine_of(plan, recorded)
    own = [
        row
        for row in recorded.peaks
        if row.speed is not None
        and row.key == key
        and row.speed.parameters == recorded.model.parameters
        and row.speed.machine == machine
    ]
    return max(own, key=lambda row: row.at).speed if own else None


def pace_words(pace: Pace) -> str:
    """One line: "about 120 tokens/s (100-140), 6 min (5-7 min) for 41,000 tokens; measured"."""
    rate = pace.speed.tokens_per_second
    each = [duration(hours * 3600) for hours in (pace.hours.low, pace.hours.high)]
    said = "measured" if pace.measured else "from FLOPs and bandwidth, not measured"
    return (
        f"about {_round(rate.expected)} tokens/s ({_round(rate.low)} to {_round(rate.high)}), "
        f"{duration(pace.hours.expected * 3600)} ({each[0]} to {each[1]}) for {pace.tokens:,} "
        f"tokens; {said}"
    )


def _round(rate: float) -> str:
    """Two digits: an estimate knows no more."""
    return f"{float(f'{rate:.2g}'):,.0f}" if rate >= 1 else f"{rate:.2g}"
