"""What Method says: lines made from plans, without a screen."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from rich.text import Text
from sizing_cases import GIB, gpu, inputs, recorded, what_if, whole_plan

from tunewright.engine.changes import Change
from tunewright.engine.choose import Ask, options
from tunewright.engine.demo.session import of_demo
from tunewright.engine.model import DEMO_DATA
from tunewright.engine.plan import Plan
from tunewright.engine.session import DataInput
from tunewright.engine.sizing import WhatIf
from tunewright.engine.train.names import settings
from tunewright.engine.train.registry import method, methods
from tunewright.hardware.errors import Problem
from tunewright.hardware.prices import Price, Prices
from tunewright.tui.fit_text import said_of
from tunewright.tui.knobs import KNOBS, knobs_of, stepped, told
from tunewright.tui.labelled import labelled
from tunewright.tui.panes.knob_lines import knob_lines, price
from tunewright.tui.panes.memory_lines import item_lines, memory_lines, memory_rows
from tunewright.tui.panes.method_lines import (
    advice_lines,
    change_lines,
    method_rows,
    problem_lines,
    room_lines,
)
from tunewright.tui.panes.reason_lines import reason_lines, reason_rows
from tunewright.tui.widgets.rows import Row

MICRO = "training.per_device_train_batch_size"


def said(lines: list[Text]) -> str:
    return "\n".join(line.plain for line in lines)


def cell(row: Row, at: int) -> str:
    value = row.cells[at]
    return value.plain if isinstance(value, Text) else value


def plan_of(tried: WhatIf, id: str) -> Plan:
    plan = tried.plan(id)
    assert isinstance(plan, Plan)
    return plan


def test_each_method_has_its_verdict_in_words_and_the_advised_one_its_star() -> None:
    rows = {row.key: row for row in method_rows(what_if())}
    assert list(rows) == list(methods())
    assert {key: cell(row, 1) for key, row in rows.items()} == {
        "lora": "tight",
        "qlora": "fits",
        "full": "no",
    }
    assert [key for key, row in rows.items() if cell(row, 0).startswith("*")] == ["qlora"]
    asked = method_rows(what_if(method="lora"))
    assert [cell(row, 0)[0] for row in asked] == ["•", "*", " "]


def test_the_advice_says_why_and_the_others_why_not() -> None:
    tried = what_if()
    assert "* advised: LoRA on a 16-bit base is tight" in said(advice_lines(tried, "qlora", 78))
    assert "safe bound is" in said(advice_lines(tried, "lora", 78))
    assert "does not fit" in said(advice_lines(tried, "full", 78))
    asked = what_if(method="full")
    assert "your choice" in said(advice_lines(asked, "full", 78))
    assert "You asked for full" in said(advice_lines(asked, "qlora", 400))
    nothing = what_if(free=2)
    assert "* smallest: nothing fits" in said(advice_lines(nothing, "qlora", 78))


def test_assumed_rows_are_labelled_on_every_width() -> None:
    tried = WhatIf(inputs(), recorded(gpus=(gpu(21.4),)), assumed=True)
    for width in (38, 58, 78, 118):
        lines = advice_lines(tried, "qlora", width)
        assert lines[0].plain.startswith("Assumed, not measured")
        assert len(lines) <= 3


@pytest.mark.parametrize("width", [38, 58, 78, 118])
def test_no_line_is_wider_than_the_pane(width: int) -> None:
    for free in (2, 14, 21.4, 80, None):
        tried = what_if(free)
        for id in methods():
            plan = plan_of(tried, id)
            lines = [
                *advice_lines(tried, id, width),
                *room_lines(tried, plan, width),
                *memory_lines(plan, "weights", width),
                *reason_lines(tried, plan, "method", width, 8),
                *problem_lines(Problem("w" * 300, why="y " * 300, cure="c"), "k", width),
            ]
            for knob in knobs_of(method(id)):
                value = stepped(knob, plan.value(knob.key), 1, tried.recorded.model)
                after = None if value is None else tried.changed(id, knob.key, value)
                lines += knob_lines(knob.key, plan, after, value, width)
            assert all(line.cell_len <= width for line in lines)


def test_the_items_add_up_and_a_bar_stands_for_each_that_is_there() -> None:
    plan, _ = whole_plan(21.4)
    estimate = plan.chosen().estimate
    lines = item_lines(estimate, 34)
    assert len(lines) == len(estimate.items) + 2
    for item, line in zip(estimate.items, lines[1:], strict=False):
        assert line.plain.startswith(item.id)
        assert any(shade in line.plain for shade in "█▒░") == bool(item.bytes)
        assert line.cell_len <= 34
    stacked = lines[0].plain
    assert len(stacked) == 34
    weights = estimate.items[0].bytes / estimate.expected_bytes
    assert stacked.count("█") / 34 >= weights - 0.03
    rows = memory_rows(estimate, 20)
    assert [row.key for row in rows] == [*(item.id for item in estimate.items), ""]
    assert "GiB" in cell(rows[-1], 1)
    assert "safe bound" in said(memory_lines(plan, "weights", 78))


def test_where_there_is_little_room_the_sum_is_still_seen_and_right() -> None:
    estimate = whole_plan(21.4)[0].chosen().estimate
    present = [item for item in estimate.items if item.bytes]
    for height in range(3, 14):
        lines = item_lines(estimate, 34, height)
        assert len(lines) <= height
        assert lines[-1].plain.startswith("= expected")
        shown = [line.plain.split()[0] for line in lines[1:-1]]
        if height >= len(present) + 2:
            assert {item.id for item in present} <= set(shown)
        else:
            assert shown[-1] == "others"
            largest = max(present, key=lambda item: item.bytes)
            assert height == 3 or largest.id in shown


def test_a_step_is_priced_by_what_it_changes() -> None:
    tried = what_if()
    plan = plan_of(tried, "qlora")
    now = plan.chosen().estimate.expected_bytes

    def priced(key: str, value: Any) -> str:
        return price(key, plan, tried.changed("qlora", key, value), value, tried).plain

    after = plan_of(WhatIf(inputs(overrides={"lora.r": 64}), tried.recorded), "qlora")
    more = after.chosen().estimate.expected_bytes - now
    assert 0 < more < GIB
    assert priced("lora.r", 64) == f"64: +{more / 2**20:.0f} MiB"
    assert priced("training.learning_rate", 1e-4) == "0.0001: same memory"
    assert priced("training.num_train_epochs", 4) == "4: 252 steps"
    assert priced("lora.r", 10**6) == "1,000,000: not possible"
    assert "no" in priced("training.activation_checkpointing", False)


def test_what_a_step_brings_along_is_told() -> None:
    """A larger batch makes the planner turn checkpointing on: that belongs to the price."""
    tried = WhatIf(inputs(), recorded(gpus=(gpu(80, 80),)))
    plan = plan_of(tried, "qlora")
    assert plan.value("training.activation_checkpointing") is False
    after = tried.changed("qlora", MICRO, 64)
    assert isinstance(after, Plan)
    assert after.value("training.activation_checkpointing") is True
    assert price(MICRO, plan, after, 64, tried).plain.endswith(", ckpt on")
    lines = said(knob_lines(MICRO, plan, after, 64, 300))
    assert "checkpointing off → on" in lines
    refused = tried.changed("qlora", "lora.r", 10**6)
    assert "cannot be" in said(knob_lines("lora.r", plan, refused, 10**6, 300))


def test_overrides_come_first_and_say_what_was_advised() -> None:
    tried = what_if(overrides={"lora.r": 64})
    rows = reason_rows(tried, plan_of(tried, "qlora"))
    yours = [row for row in rows if cell(row, 0) == "you"]
    assert [row.key for row in yours] == ["lora.r"]
    assert "advised is 16" in cell(yours[0], 3)
    at = {row.key: number for number, row in enumerate(rows)}
    assert at["lora.r"] < at["method"]
    assert {"method", "device", "training.optim"} <= set(at)
    told_ = said(reason_lines(tried, plan_of(tried, "qlora"), "lora.r", 78, 9))
    assert "not 16" in told_
    assert "rule override" in told_


def test_what_the_demo_set_is_not_said_to_be_the_persons() -> None:
    tried = what_if(overrides={"training.learning_rate": 5e-4, "training.max_steps": 10})
    demo = msgspec.structs.replace(tried.inputs, data=DataInput(path=DEMO_DATA))
    tried = WhatIf(demo, tried.given)
    plan = plan_of(tried, "qlora")
    rows = {row.key: row for row in reason_rows(tried, plan)}
    assert [cell(row, 0) for row in rows.values()][:2] == ["you", "demo"]
    # The demo takes 72 steps: these are the person's.
    assert cell(rows["training.max_steps"], 3).startswith("you set it")
    rate = rows["training.learning_rate"]
    assert cell(rate, 3).startswith("the demo sets it; advised is ")
    assert "you set it" not in said(reason_lines(tried, plan, rate.key, 78, 9))
    lines = knob_lines(rate.key, plan, None, None, 300, of_demo(demo))
    assert "the demo sets it" in said(lines)
    mine = msgspec.structs.replace(demo, data=DataInput(path="mine.jsonl"))
    row = next(r for r in reason_rows(WhatIf(mine, tried.given), plan) if r.key == rate.key)
    assert cell(row, 0) == "you"


def test_the_advised_method_has_its_reason_in_full_too() -> None:
    tried = what_if()
    advised = tried.advised
    assert isinstance(advised, Plan)
    told_ = said(reason_lines(tried, plan_of(tried, "qlora"), "method", 400, 9))
    assert advised.method.because in told_
    assert f"rule {advised.method.rule}" in told_


def test_warnings_stand_at_the_foot_and_among_the_reasons() -> None:
    tried = what_if(18.5)
    plan = plan_of(tried, "lora")
    assert plan.warnings
    assert "! " in said(room_lines(tried, plan, 78))
    first = reason_rows(tried, plan)[0]
    assert "tight" in cell(first, 3)
    assert "tight" in said(reason_lines(tried, plan, first.key, 78, 5))


def test_room_is_zero_said_in_words() -> None:
    tried = what_if(2)
    assert "not even one row" in said(room_lines(tried, plan_of(tried, "lora"), 78))


def test_what_would_fit_is_said_in_the_words_of_the_screen() -> None:
    tried = what_if(14)
    option = options(tried.recorded.model, tried.recorded.snapshot, Ask(seq_len=64))[0]
    changes = [Change("--seq-len 96", "…", option), Change("another machine: 1x L40S", "…", option)]
    assert said(change_lines(changes, 78)) == (
        "would fit: max length 96; or another machine: 1x L40S"
    )
    assert "looking" in said(change_lines(None, 78))
    assert "no machine" in said(change_lines((), 78))


def test_the_verdict_carries_its_figure() -> None:
    tried = what_if()
    assert said_of(plan_of(tried, "qlora").chosen()).startswith("fits, ")
    assert said_of(plan_of(tried, "lora").chosen()).startswith("tight")
    assert "more than the 21.40 GiB" in said_of(plan_of(tried, "full").chosen())


def test_untrusted_text_is_shown_and_not_obeyed() -> None:
    lines = labelled("! ", "[bold]a\x1b[31m\u202eb\nc", 78, 2)
    assert said(lines) == "! [bold]a\\x1b[31m\\u202eb⏎c"
    assert not [span for line in lines for span in line.spans if "31" in str(span.style)]


# -- knobs


def test_every_knob_is_a_setting_and_its_steps_are_values_that_it_takes() -> None:
    from tunewright.engine.train.names import parse_setting

    shape = what_if().recorded.model
    for knob in KNOBS:
        assert knob.key in settings()
        for value in knob.steps(shape):
            assert parse_setting(knob.key, value, shape)[:2] == (knob.key, value)


def test_only_knobs_of_the_method_are_shown() -> None:
    assert "lora.r" not in {knob.key for knob in knobs_of(method("full"))}
    assert "lora.r" in {knob.key for knob in knobs_of(method("qlora"))}


def test_steps_end_and_start_from_values_between_them() -> None:
    shape = what_if().recorded.model
    knobs = {knob.key: knob for knob in KNOBS}
    rank, length = knobs["lora.r"], knobs["training.max_length"]
    assert stepped(rank, 16, 1, shape) == 32
    assert stepped(rank, 20, 1, shape) == 32
    assert stepped(rank, 20, -1, shape) == 16
    assert stepped(rank, 4, -1, shape) is None
    assert stepped(rank, 10**6, 1, shape) is None
    # The model's context is the last step of the length.
    assert stepped(length, shape.max_position_embeddings, 1, shape) is None
    targets = knobs["lora.target_modules"]
    assert stepped(targets, "all-linear", -1, shape) == ["q_proj", "k_proj", "v_proj", "o_proj"]
    assert stepped(targets, ["up_proj"], 1, shape) == "all-linear"
    checkpointing = knobs["training.activation_checkpointing"]
    assert stepped(checkpointing, True, 1, shape) is False
    assert stepped(checkpointing, False, 1, shape) is None


def test_values_are_short() -> None:
    values = (True, 2e-5, 131072, ["q_proj", "v_proj"], "adamw_torch_fused", "x")
    assert [told(v) for v in values] == ["on", "2e-05", "131,072", "q+v", "AdamW", "x"]


def test_the_cost_of_the_marked_method_is_told_where_there_are_prices() -> None:
    tried = what_if()
    plan = tried.plan("qlora")
    assert isinstance(plan, Plan)
    prices = Prices("EUR", {"RTX 4090": Price(per_hour=0.4)})
    assert "cost:" not in said(room_lines(tried, plan, 78))
    assert "0.40 EUR an hour" in said(room_lines(tried, plan, 200, prices))
    # Room, cost and the first warning have a line each, whatever they say.
    assert len(room_lines(tried, plan, 60, prices)) <= 3
