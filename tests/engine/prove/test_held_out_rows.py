"""Which rows are asked, and what stands before them in a few-shot prompt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jobs import FACTS, build_job
from msgspec.structs import replace
from tiny import TinyData

from tunewright.engine.data.example import Example, Message, Place
from tunewright.engine.prove.defaults import TOKEN_BUDGET, default_settings
from tunewright.engine.prove.rows import choose_shots, held_out, with_shots
from tunewright.hardware.errors import Problem


def example(question: str, answer: str, system: str | None = None) -> Example:
    turns = [Message("user", question), Message("assistant", answer)]
    first = [Message("system", system)] if system is not None else []
    return Example(messages=(*first, *turns), place=Place("t.jsonl", 1))


def told(row: Example) -> list[str]:
    return [f"{m.role[0]}:{m.content}" for m in row.messages]


def test_shots_come_as_turns_after_the_rows_own_system_prompt() -> None:
    row = example("q", "a", system="mine")
    shots = (example("q1", "a1", system="theirs"), example("q2", "a2"))
    assert told(with_shots(row, shots)) == [
        "s:mine", "u:q1", "a:a1", "u:q2", "a:a2", "u:q", "a:a",
    ]  # fmt: skip


def test_without_a_template_a_separator_keeps_shots_apart() -> None:
    shown = with_shots(example("2+2=", "4"), (example("1+1=", "2"),), "\n\n")
    assert "".join(m.content for m in shown.messages[:-1]) == "1+1=2\n\n2+2="


def test_shots_never_show_a_held_out_question() -> None:
    train = [example(f"q{n}", f"a{n}") for n in range(6)]
    asked = [example(f"q{n}", "?") for n in range(4)]
    picked = choose_shots(train, asked, 3, seed=1)
    assert {told(shot)[0] for shot in picked} == {"u:q4", "u:q5"}


def test_shots_depend_on_the_seed_alone() -> None:
    train = [example(f"q{n}", f"a{n}") for n in range(50)]
    assert choose_shots(train, [], 3, seed=1) == choose_shots(train, [], 3, seed=1)
    assert choose_shots(train, [], 3, seed=1) != choose_shots(train, [], 3, seed=2)


def test_every_few_shot_prompt_ends_in_its_zero_shot_question(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    held = held_out(build_job(tmp_path, tiny_model, tiny_data))
    for zero, few in zip(held.prompts(), held.prompts(held.shots), strict=True):
        assert few[-len(zero) :] == zero
        assert len(few) > 2 * len(zero)


def test_shots_that_do_not_fit_the_context_are_dropped(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    # 512 tokens of context hold no 20 examples of about 30 tokens.
    settings = {"evaluation.shots": 20}
    held = held_out(build_job(tmp_path, tiny_model, tiny_data, settings=settings))
    assert 3 < len(held.shots) < 20
    assert max(len(prompt) for prompt in held.prompts(held.shots)) <= 512 - 8


def test_rows_longer_than_the_context_are_left_out_and_counted(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    rows = [{"prompt": "Ana orders " * n, "completion": "{}"} for n in (1, 2, 40, 300, 300)]
    held_file = tmp_path / "held.jsonl"
    held_file.write_text("\n".join(json.dumps(row) for row in rows))
    data = TinyData(tiny_data.train, held_file)
    held = held_out(build_job(tmp_path, tiny_model, data))
    assert (held.numbers, held.left_out) == ((0, 1, 2), 2)
    with pytest.raises(Problem, match="no held-out row fits"):
        held_out(build_job(tmp_path, tiny_model, data, settings={"evaluation.max_new_tokens": 511}))


def test_answers_get_room_and_a_little_more() -> None:
    settings = default_settings(FACTS)
    assert settings["evaluation.max_new_tokens"].value == 28 + 8
    assert settings["evaluation.rows"].value == 12
    assert settings["evaluation.shots"].value == 3
    assert all(decision.because and decision.rule for decision in settings.values())


@pytest.mark.parametrize("answer_max", [10, 100, 300, 5000])
def test_a_measurement_never_writes_more_than_its_budget(answer_max: int) -> None:
    facts = replace(FACTS, answer_max=answer_max, eval_rows=1000)
    settings = default_settings(facts)
    rows, new = settings["evaluation.rows"].value, settings["evaluation.max_new_tokens"].value
    assert 16 <= rows <= 64
    assert new <= 512
    assert rows * new <= TOKEN_BUDGET
