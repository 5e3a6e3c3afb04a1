"""How long the training of a plan takes, and what that costs by a person's own prices. Pure."""

from __future__ import annotations

import msgspec

from tunewright.engine.devices import lowest_capability, planned_gpus
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
        rows *= int(plan.value("training.gradient_accumulation_steps")) * max(1, len(plan.devices))
        return rows * data.train_tokens // data.rows
    return int(data.train_tokens * float(plan.value("training.num_train_epochs")))


def training_hours(plan: Plan, recorded: Recorded) -> Interval | None:
    """Hours of training by `hardware.speed`; None on a device whose rates are not known."""
    gpus = planned_gpus(plan, recorded.snapshot)
    settings = {key: decision.value for key, decision in plan.settings.items()}
    setup = method(plan.method.value).training_setup(
        plan.device.value,
        lowest_capability(gpus),
        settings,
        recorded.data.length_max,
    )
    known = [part for part in map(part_of, gpus) if part is not None]
    # Of unlike devices each step takes as long as the slowest.
    part = min(known, key=lambda part: part.fp16_flops) if len(known) == len(gpus) > 0 else None
    among = {gpu.index for gpu in gpus}
    ways = [pair for pair in recorded.snapshot.pairs if {pair.a, pair.b} <= among]
    linked = bool(ways) and all(pair.nvlinks for pair in ways)
    speed = training_speed(recorded.model, setup, part, recorded.snapshot.host, linked)
    return None if speed is None else speed.hours(training_tokens(plan, recorded))


def plan_cost(plan: Plan, recorded: Recorded, prices: Prices) -> PlanCost | None:
    """What the training costs; None where the device has no price, or no speed."""
    gpus = planned_gpus(plan, recorded.snapshot)
    hours = training_hours(plan, recorded)
    if not gpus or hours is None:
        return None
    # The devices that train: what else the machine has is not paid for by this run.
    cut = {gpu.mig.parent_uuid for gpu in gpus if gpu.mig is not None}
    split = tuple(whole for whole in recorded.snapshot.split if whole.uuid in cut)
    hour = cost_of(msgspec.structs.replace(recorded.snapshot, gpus=gpus, split=split), prices)
    if hour is None or hour.missing:
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
    names = ", ".join(dict.fromkeys(gpu.name for gpu in planned_gpus(plan, recorded.snapshot)))
    if not names:
        return "unknown: the price file is about GPUs, and this plan trains on the CPU"
    if training_hours(plan, recorded) is None:
        return f"unknown: the rates of {names} are not in the catalogue"
    return f"unknown: the price file does not have all of {names}"


def _range(interval: Interval) -> str:
    def told(value: float) -> str:
        return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"

    return f"{told(interval.expected)} ({told(interval.low)} to {told(interval.high)})"
