"""Questions with choices: several right ones, and numbers that count from 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.read import read_examples
from tunewright.engine.data.shapes.find import Finder, parse_row
from tunewright.engine.data.shapes.shape import Normal

QUESTION = {"question": "Which are even?", "options": ["2", "3", "4"]}


def answer_of(row: dict[str, Any]) -> str | None:
    bound = Finder().find(row)
    assert bound is not None
    assert bound.shape.name == "choices"
    parsed = parse_row(row, bound)
    assert isinstance(parsed, Normal), parsed
    assert "A. 2\nB. 3\nC. 4" in parsed.messages[0].content
    return parsed.answer


@pytest.mark.parametrize(
    "right",
    [
        {"answer": ["A", "C"]},
        {"answer": ["C", "A"]},
        {"answer": [0, 2]},
        {"answers": ["2", "4"]},
        {"answer": "A, C"},
        {"answer": "A and C"},
        {"labels": [1, 0, 1]},
        {"correct": [1, 0, 1]},
    ],
)
def test_several_may_be_right(right: dict[str, Any]) -> None:
    assert answer_of(QUESTION | right) == "A. 2\nC. 4"


def test_a_list_of_one_is_the_one() -> None:
    assert answer_of(QUESTION | {"answer": ["B"]}) == "B. 3"


def test_letters_that_are_a_choice_of_their_own_are_that_choice() -> None:
    row = QUESTION | {"options": ["2", "3", "A and B"], "answer": "A and B"}
    bound = Finder().find(row)
    assert bound is not None
    parsed = parse_row(row, bound)
    assert isinstance(parsed, Normal)
    assert parsed.answer == "C. A and B"


@pytest.mark.parametrize("right", [["A", "F"], [], ["A", None], ["A, C, and others"], [5]])
def test_what_is_no_choice_is_not_learned(right: list[Any]) -> None:
    row = QUESTION | {"answer": right}
    bound = Finder().find(row)
    assert bound is not None
    [wrong] = parse_row(row, bound)
    assert (bound.shape.name, wrong.id) == ("choices", "label.missing")


@pytest.mark.parametrize("kind", [str, int])
def test_the_number_of_the_last_one_says_that_they_count_from_1(kind: type, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    rows = [QUESTION | {"answer": kind(number)} for number in (1, 2, 3)]
    rows = [row | {"options": ["x", "y", "z"]} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = check_data(path)
    [finding] = [f for f in report.findings if f.id == "label.number"]
    # No fix leaves these rows out: the others are read wrongly then.
    assert (finding.severity, finding.fixes, report.verdict) == ("error", (), "blocked")
    asked = finding.examples[0].partition("--format ")[2]
    found = read_examples(path, asked).examples
    assert [e.messages[-1].content for e in found] == ["A. x", "B. y", "C. z"]
