"""Answers that are no text: JSON to be written, one of several, turns held as JSON text."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from test_checks import found, write

from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.read import read_examples
from tunewright.engine.data.shapes.find import Finder, parse_row
from tunewright.engine.data.shapes.shape import Normal

USER, ASSISTANT = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
OTHER = {"role": "assistant", "content": "b"}


def parsed(row: dict[str, Any]) -> Normal:
    normal = parse_row(row, Finder().find(row))
    assert isinstance(normal, Normal), normal
    return normal


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"prompt": "q", "completion": {"value": 5, "unit": "kg"}}, '{"value": 5, "unit": "kg"}'),
        ({"prompt": "q", "completion": {"amount": 5}}, '{"amount": 5}'),
        ({"prompt": "q", "completion": {"text": "t", "label": 1}}, '{"text": "t", "label": 1}'),
        ({"prompt": "q", "completion": ["ä", "b"]}, '["ä", "b"]'),
        ({"prompt": "q", "completion": []}, "[]"),
        ({"question": "q", "answer": [3, 1]}, "[3, 1]"),
        ({"instruction": "q", "input": "", "output": {"value": 1}}, '{"value": 1}'),
        ({"prompt": [USER], "completion": {"value": 1}}, '{"value": 1}'),
    ],
)
def test_an_object_that_is_asked_for_is_trained_whole_and_told(
    tmp_path: Path, row: dict[str, Any], answer: str
) -> None:
    assert parsed(row).answer == answer
    places = found(check_data(write(tmp_path / "d.jsonl", [row])))
    assert "answer.written" in places


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"question": "q", "answers": {"text": ["a", "b"], "answer_start": [1, 2]}}, True),
        ({"question": "q", "answers": {"text": ["a", "a"], "answer_start": [1, 1]}}, False),
        ({"question": "q", "answer": {"value": "a", "aliases": ["b"]}}, False),
        ({"question": "q", "answer": ["a", "b"]}, True),
        ({"question": "q", "answers": ["a"]}, False),
        ({"prompt": "q", "response": {"text": "a"}}, False),
    ],
)
def test_of_a_question_set_the_first_answer_is_trained(
    tmp_path: Path, row: dict[str, Any], told: bool
) -> None:
    assert parsed(row).answer == "a"
    places = found(check_data(write(tmp_path / "d.jsonl", [row])))
    assert ("answer.first" in places, "answer.written" in places) == (told, False)


@pytest.mark.parametrize(
    ("asked", "answered", "cell"),
    [
        ("prompt", "completion", '{"value": 0,  "unit": "kg"}'),
        ("prompt", "completion", "[1, 2, 3]"),
        ("prompt", "response", "['a', 'b']"),
        ("instruction", "output", '{"amount":1}'),
        ("question", "answer", "[3, 1]"),
    ],
)
def test_a_cell_of_a_table_is_the_text_that_it_is(
    tmp_path: Path, asked: str, answered: str, cell: str
) -> None:
    path = tmp_path / "d.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[asked, answered], ['["sort", "these"]', cell]])
    (example,) = read_examples(path)[0]
    assert [m.content for m in example.messages] == ['["sort", "these"]', cell]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "q", "chosen": [ASSISTANT], "rejected": [OTHER]},
        {"chosen": [USER, ASSISTANT], "rejected": [USER, OTHER]},
        {"prompt": [USER], "chosen": ASSISTANT, "rejected": OTHER},
        {"prompt": [USER], "chosen": [ASSISTANT], "rejected": [OTHER]},
    ],
)
def test_pairs_of_turns_held_as_json_text_are_turns(row: dict[str, Any]) -> None:
    held = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in row.items()
    }
    normal = parsed(held)
    assert [m.content for m in normal.messages] == ["q"]
    assert [m.content for m in (*normal.chosen, *normal.rejected)] == ["a", "b"]


def test_prompts_and_completions_held_as_json_text_are_turns() -> None:
    for prompt in ("q", json.dumps([USER])):
        for completion in ([ASSISTANT], ASSISTANT):
            normal = parsed({"prompt": prompt, "completion": json.dumps(completion)})
            assert [m.content for m in normal.messages] == ["q", "a"]
    assert parsed({"prompt": json.dumps([USER]), "completion": "a"}).answer == "a"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([USER, ASSISTANT]),
        json.dumps({"role": "CTO", "name": "Ada", "text": "x"}),
        json.dumps([{"role": "user"}]),
        '{"role": "assistant", "content": ',
    ],
)
def test_json_with_roles_that_is_to_be_written_is_text(text: str) -> None:
    assert parsed({"prompt": "Write one.", "completion": text}).answer == text
