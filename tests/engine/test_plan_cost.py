"""What a plan costs: its hours on the device that trains, at the price of that device alone."""

from __future__ import annotations

import msgspec
import pytest
from sizing_cases import inputs, recorded

from tunewright.engine.pace import pace_of
from tunewright.engine.plan import Plan
from tunewright.engine.plan_cost import cost_words, plan_cost
from tunewright.engine.planner import make_plan
from tunewright.engine.session import Recorded
from tunewright.hardware.prices import Price, Prices
from tunewright.hardware.whatif import imagine

RENTED = Prices("EUR", {"H100 80GB": Price(per_hour=2.0), "RTX 4090": Price(per_hour=0.5)})


def planned(machine: str, device: str = "auto", **overrides: object) -> tuple[Plan, Recorded]:
    known = msgspec.structs.replace(recorded(), snapshot=imagine(machine))
    asked = inputs(method="qlora", overrides={f"training.{k}": v for k, v in overrides.items()})
    asked = msgspec.structs.replace(asked, device=device)
    return make_plan(asked, known), known


def tokens(plan: Plan, known: Recorded) -> int:
    pace = pace_of(plan, known)
    assert pace is not None
    return pace.tokens


def test_hours_times_the_price_of_the_one_device_that_trains() -> None:
    plan, known = planned("8x H100 80GB")
    cost = plan_cost(plan, known, RENTED)
    pace = pace_of(plan, known)
    assert cost is not None
    assert pace is not None
    hours = pace.hours
    assert hours.low < hours.expected < hours.high
    assert cost.money.expected == pytest.approx(2.0 * hours.expected)
    assert cost.money.high == pytest.approx(2.0 * hours.high)
    assert cost.because == "2.00 EUR an hour of 1x H100 SXM 80GB"


def test_the_device_that_was_chosen_is_the_one_that_is_paid() -> None:
    plan, known = planned("H100 80GB + RTX 4090", device="1")
    cost = plan_cost(plan, known, RENTED)
    assert cost is not None
    assert "RTX 4090" in cost.because
    assert "H100" not in cost.because


def test_a_slice_costs_its_whole_gpu() -> None:
    plan, known = planned("H100 80GB mig 3g.40gb + 3g.40gb + RTX 4090", device="0:1")
    cost = plan_cost(plan, known, RENTED)
    assert cost is not None
    assert cost.money.expected == pytest.approx(2.0 * cost.hours.expected)


def test_epochs_and_steps_are_what_the_plan_trains() -> None:
    plan, known = planned("RTX 4090", num_train_epochs=2)
    assert tokens(plan, known) == 2 * known.data.train_tokens
    plan, known = planned(
        "RTX 4090", max_steps=10, per_device_train_batch_size=2, gradient_accumulation_steps=4
    )
    mean = known.data.train_tokens / known.data.rows
    assert tokens(plan, known) == pytest.approx(10 * 2 * 4 * mean, abs=1)


def test_a_cost_that_is_unknown_says_why() -> None:
    plan, known = planned("T4")
    assert plan_cost(plan, known, RENTED) is None
    assert (
        cost_words(plan, known, RENTED) == "unknown: the price file does not have all of Tesla T4"
    )
    plan, known = planned("cpu", device="cpu")
    assert "trains on the CPU" in cost_words(plan, known, RENTED)
    plan, known = planned("RTX 4090")
    gpus = tuple(msgspec.structs.replace(g, name="NVIDIA R900") for g in known.snapshot.gpus)
    snapshot = msgspec.structs.replace(known.snapshot, gpus=gpus)
    known = msgspec.structs.replace(known, snapshot=snapshot)
    assert "rates of NVIDIA R900" in cost_words(plan, known, RENTED)


def test_a_line_has_range_currency_and_hours() -> None:
    plan, known = planned("RTX 4090")
    told = cost_words(plan, known, RENTED)
    assert " EUR for " in told
    assert " h of training; 0.50 EUR an hour of 1x RTX 4090 24GB" in told
