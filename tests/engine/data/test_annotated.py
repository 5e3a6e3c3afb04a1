"""What is learned where annotators said several things of one text."""

from __future__ import annotations

from typing import Any

import pytest

from tunewright.engine.data.shapes.find import Finder, parse_row
from tunewright.engine.data.shapes.shape import Normal

GOOD = {"type": "choices", "from_name": "quality", "value": {"choices": ["Good"]}}
STARS = {"type": "rating", "from_name": "stars", "value": {"rating": 4}}
WRITTEN = {"type": "textarea", "from_name": "answer", "value": {"text": ["THE ANSWER"]}}


def parsed(row: dict[str, Any]) -> Any:
    bound = Finder().find(row)
    assert bound is not None
    assert bound.shape.name == "annotated"
    return parse_row(row, bound)


@pytest.mark.parametrize(
    ("results", "answer"),
    [
        ([GOOD, WRITTEN], "THE ANSWER"),
        ([STARS, WRITTEN, GOOD], "THE ANSWER"),
        ([WRITTEN, GOOD], "THE ANSWER"),
        ([GOOD], "Good"),
        ([GOOD, STARS], "quality: Good\nstars: 4"),
        ([{**GOOD, "value": {}}, STARS], "4"),
    ],
)
def test_what_was_written_is_learned_and_not_what_judges(
    results: list[dict[str, Any]], answer: str
) -> None:
    found = parsed({"data": {"prompt": "q"}, "annotations": [{"result": results}]})
    assert isinstance(found, Normal), found
    assert found.answer == answer


def test_marked_places_beside_an_answer_are_no_answer() -> None:
    place = {"type": "labels", "from_name": "who", "value": {"start": 0, "end": 3, "text": "Ann"}}
    [wrong] = parsed({"data": {"prompt": "q"}, "annotations": [{"result": [GOOD, place]}]})
    assert wrong.id == "answer.missing"


@pytest.mark.parametrize(
    ("responses", "answer"),
    [
        ({"rating": 4, "answer": "Bern"}, "Bern"),
        ({"rating": 4, "helpful": 2}, "rating: 4\nhelpful: 2"),
        ({"label": "positive", "why": "It says so."}, "label: positive\nwhy: It says so."),
        ({"label": "positive"}, "positive"),
    ],
)
def test_several_questions_of_argilla(responses: dict[str, Any], answer: str) -> None:
    given = {
        name: [{"value": "draft", "status": "draft"}, {"value": value, "status": "submitted"}]
        for name, value in responses.items()
    }
    found = parsed({"fields": {"text": "q"}, "responses": given})
    assert isinstance(found, Normal), found
    assert found.answer == answer
