"""What-if plans are real plans: what they promise is what a change gives."""

from __future__ import annotations

import msgspec
import pytest
from sizing_cases import GIB, gpu, inputs, recorded, what_if, whole_plan

from tunewright.engine.data.assumed import LONGEST, ROWS, assumed_facts, assumed_words
from tunewright.engine.plan import Plan
from tunewright.engine.planner import make_plan
from tunewright.engine.sizing import (
    WhatIf,
    advised_plan,
    foreign_settings,
    method_plan,
    model_plan,
    room_for,
    with_method,
    with_setting,
)
from tunewright.hardware.errors import Problem

MICRO = "training.per_device_train_batch_size"


def test_what_a_change_promises_is_what_planning_with_it_gives() -> None:
    known = recorded(gpus=(gpu(21.4),))
    promised = what_if().changed("qlora", "lora.r", 64)
    assert promised == make_plan(inputs(method="qlora", overrides={"lora.r": 64}), known)


def test_all_three_verdicts_occur_beside_one_gpu() -> None:
    plan, _ = whole_plan(21.4)
    assert {fit.method: fit.verdict for fit in plan.fits} == {
        "lora": "tight",
        "qlora": "fits",
        "full": "no",
    }


def test_a_setting_of_another_method_is_left_out_of_its_plan() -> None:
    asked = inputs(overrides={"lora.r": 32, "learning_rate": 1e-4})
    assert foreign_settings(asked, "full") == ("lora.r",)
    assert foreign_settings(asked, "qlora") == ()
    assert with_method(asked, "full").overrides == {"learning_rate": 1e-4}
    plan = method_plan(asked, recorded(gpus=(gpu(21.4),)), "full")
    assert plan.method.value == "full"
    assert plan.value("training.learning_rate") == 1e-4


def test_a_setting_replaces_the_same_one_under_a_shorter_name() -> None:
    asked = inputs(overrides={"learning_rate": 1e-4})
    assert with_setting(asked, "training.learning_rate", 5e-5).overrides == {
        "training.learning_rate": 5e-5
    }
    assert with_setting(asked, "training.learning_rate", None).overrides == {}


def test_the_advice_does_not_depend_on_what_was_asked_for() -> None:
    known = recorded(gpus=(gpu(21.4),))
    assert advised_plan(inputs(method="full"), known).method.value == "qlora"


@pytest.mark.parametrize("what", ["length", "rows"])
def test_room_is_the_last_number_that_fits(what: str) -> None:
    """Held against the planner itself: at the bound it fits, one further it does not."""
    plan, known = whole_plan(12)
    room = room_for(plan, known, what)  # type: ignore[arg-type]
    assert room > 0
    fixed = {
        MICRO: plan.value(MICRO),
        "training.activation_checkpointing": plan.value("training.activation_checkpointing"),
        "training.gradient_accumulation_steps": 4,
    }
    verdicts = []
    for number in (room, room + 1):
        if what == "length":
            facts = assumed_facts(None, number)
            tried = method_plan(
                inputs(overrides={**fixed, "training.max_length": number}),
                msgspec.structs.replace(known, data=facts),
                "qlora",
            )
        else:
            tried = method_plan(inputs(overrides={**fixed, MICRO: number}), known, "qlora")
        verdicts.append(tried.chosen().verdict)
    assert verdicts[0] == "fits"
    assert verdicts[1] != "fits"


def test_room_ends_at_the_context_and_is_zero_where_nothing_fits() -> None:
    plan, known = whole_plan(80)
    assert room_for(plan, known, "length") <= (known.model.max_position_embeddings or 0)
    none, small = whole_plan(2)
    assert room_for(none, small, "length") == 0
    assert room_for(none, small, "rows") == 0


def test_a_problem_is_an_answer_and_is_remembered() -> None:
    tried = what_if()
    assert not tried.is_known("lora", "lora.r", 10**6)
    problem = tried.changed("lora", "lora.r", 10**6)
    assert isinstance(problem, Problem)
    assert tried.is_known("lora", "lora.r", 10**6)
    assert tried.changed("lora", "lora.r", 10**6) is problem
    assert tried.room("lora", "rows") is not None


def test_assumed_rows_are_as_long_as_the_length_that_is_asked_for() -> None:
    known = recorded(gpus=(gpu(21.4),))
    measured = WhatIf(inputs(), known).changed("qlora", "training.max_length", 4096)
    assumed = WhatIf(inputs(), known, assumed=True).changed("qlora", "training.max_length", 4096)
    assert isinstance(measured, Plan)
    assert isinstance(assumed, Plan)
    before = WhatIf(inputs(), known).plan("qlora")
    assert isinstance(before, Plan)
    # Measured rows do not grow with the limit, assumed ones do.
    assert measured.chosen().estimate == before.chosen().estimate
    assert assumed.chosen().estimate.expected_bytes > before.chosen().estimate.expected_bytes


def test_assumed_facts_respect_the_context_and_say_what_they_are() -> None:
    assert assumed_facts(None).length_max == LONGEST
    assert assumed_facts(512).length_max == 512
    assert assumed_facts(512, 4096).length_max == 4096
    words = assumed_words(assumed_facts(None))
    assert "assumed" in words
    assert f"{ROWS:,}" in words


def test_a_model_without_a_plan_says_why() -> None:
    known = recorded(gpus=(gpu(21.4),), longest=4096)
    short = msgspec.structs.replace(known.model, max_position_embeddings=128)
    problem = model_plan(inputs(), "other", short, known)
    assert isinstance(problem, Problem)
    assert "rows" in problem.what
    plan = model_plan(inputs(), "other", known.model, known)
    assert isinstance(plan, Plan)
    assert plan.chosen().free_bytes == int(21.4 * GIB)
