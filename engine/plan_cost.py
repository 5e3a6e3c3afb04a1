"""How long the training of a plan takes, and what that costs by a person's own prices. Pure."""

from __future__ import annotations

import msgspec

from tunewright.engine.devices import planned_gpu
from tunewright.engine.plan import Plan
from tunewright.engine.session import Recorded
from tunewright.engine.train.registry import method
from tunewright.hardware.catalogue import part_of
from tunewright.hardware.prices import Prices, cost_of
from tunewright.hardware.speed import Interval, training_speed


class PlanCost(msgspec.Struct, frozen=True):
    """`hours` of training and `money` in `currency`, both likely ranges; `because` has the price of
    an hour. Stages beside the training are in neither."""

    hours: Interval
    money: Interval
    currency: str
    because: str


def training_tokens(plan: Plan, recorded: Recorded) -> int:
    """Tokens that the training goes through: epochs of the rows, or a given number of steps of rows
    of the mean length."""
    data, limit = recorded.data, plan.settings.get("training.max_steps")
    steps = -1 if limit is None else int(limit.value)
    if steps > 0 and data.rows:
        rows = steps * int(plan.value("training.per_device_train_batch_size"))
        rows *= int(plan.value("training.gradient_accumulation_steps"))
        return rows * data.train_tokens // data.rows
    return int(data.train_tokens * float(plan.value("training.num_train_epochs")))


def training_hours(plan: Plan, recorded: Recorded) -> Interval | None:
    """Hours of training by `hardware.speed`; None on a device whose rates are not known."""
    gpu = planned_gpu(plan, recorded.snapshot)
    settings = {key: decision.value for key, decision in plan.settings.items()}
    setup = method(plan.method.value).training_setup(
        plan.device.value,
        None if gpu is None else gpu.compute_capability,
        settings,
        recorded.data.length_max,
    )
    part = None if gpu is None else part_of(gpu)
    speed = training_speed(recorded.model, setup, part, recorded.snapshot.host)
    return None if speed is None else speed.hours(training_tokens(plan, recorded))


def plan_cost(plan: Plan, recorded: Recorded, prices: Prices) -> PlanCost | None:
    """What the training costs; None where the device has no price, or no speed."""
    gpu = planned_gpu(plan, recorded.snapshot)
    hours = training_hours(plan, recorded)
    if gpu is None or hours is None:
        return None
    # The one device that trains: what else the machine has is not paid for by this run.
    parent = gpu.mig.parent_uuid if gpu.mig is not None else None
    split = tuple(whole for whole in recorded.snapshot.split if parent and whole.uuid == parent)
    hour = cost_of(msgspec.structs.replace(recorded.snapshot, gpus=(gpu,), split=split), prices)
    if hour is None:
        return None
    money = Interval(*(hour.per_hour * each for each in (hours.expected, hours.low, hours.high)))
    because = f"{hour.per_hour:.2f} {hour.currency} an hour of {hour.because}"
    return PlanCost(hours, money, hour.currency, because)


def cost_words(plan: Plan, recorded: Recorded, prices: Prices) -> str:
    """The cost in one line, or why there is none."""
    cost = plan_cost(plan, recorded, prices)
    if cost is not None:
        return (
            f"{_range(cost.money)} {cost.currency} for {_range(cost.hours)} h of training; "
            f"{cost.because}"
        )
    gpu = planned_gpu(plan, recorded.snapshot)
    if gpu is None:
        return "unknown: the price file is about GPUs, and this plan trains on the CPU"
    if training_hours(plan, recorded) is None:
        return f"unknown: the rates of {gpu.name} are not in the catalogue"
    return f"unknown: the price file has no {gpu.name}"


def _range(interval: Interval) -> str:
    def told(value: float) -> str:
        return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"

    return f"{told(interval.expected)} ({told(interval.low)} to {told(interval.high)})"
