"""How long the training of a plan takes, and what that costs by a person's own prices. Pure."""

from __future__ import annotations

import msgspec

from tunewright.engine.devices.planned import planned_gpus
from tunewright.engine.pace import pace_of
from tunewright.engine.plan import Plan
from tunewright.engine.session import Recorded
from tunewright.hardware.prices import Prices, cost_of
from tunewright.hardware.speed import Interval


class PlanCost(msgspec.Struct, frozen=True):
    """`hours` of training and `money` in `currency`, both likely ranges; `because` has the price of
    an hour. Stages beside the training are in neither."""

    hours: Interval
    money: Interval
    currency: str
    because: str


def plan_cost(plan: Plan, recorded: Recorded, prices: Prices) -> PlanCost | None:
    """What the training costs; None where the device has no price, or no speed."""
    gpus = planned_gpus(plan, recorded.snapshot)
    pace = pace_of(plan, recorded)
    if not gpus or pace is None:
        return None
    # The devices that train: what else the machine has is not paid for by this run.
    cut = {gpu.mig.parent_uuid for gpu in gpus if gpu.mig is not None}
    split = tuple(whole for whole in recorded.snapshot.split if whole.uuid in cut)
    hour = cost_of(msgspec.structs.replace(recorded.snapshot, gpus=gpus, split=split), prices)
    if hour is None or hour.missing:
        return None
    hours = pace.hours
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
    if pace_of(plan, recorded) is None:
        return f"unknown: the rates of {names} are not in the catalogue"
    return f"unknown: the price file does not have all of {names}"


def _range(interval: Interval) -> str:
    def told(value: float) -> str:
        return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"

    return f"{told(interval.expected)} ({told(interval.low)} to {told(interval.high)})"
