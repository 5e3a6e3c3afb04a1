"""Which of two answers is better, however its judge says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.shapes.find import Finder, parse_row
from tunewright.engine.data.shapes.shape import Normal

GOOD, BAD = "the better one", "the worse one"


def parsed(row: dict[str, Any], asked: str = "auto") -> Any:
    bound = Finder(asked).find(row)
    assert bound is not None
    assert bound.shape.name == "ranked"
    return parse_row(row, bound)


def because(row: dict[str, Any], path: Path) -> str:
    path.write_text(json.dumps(row) + "\n")
    return check_data(path).because


@pytest.mark.parametrize(
    ("columns", "judge", "better"),
    [
        ("response_0 response_1", {"winner": 1}, 1),
        ("response_0 response_1", {"winner": 0}, 0),
        ("response_0 response_1", {"winner": "response_1"}, 1),
        ("response_0 response_1", {"winner": "Response 1"}, 1),
        ("response_0 response_1", {"winner": "model_1"}, 1),
        ("response_0 response_1", {"preference": 1}, 1),
        ("response_0 response_1", {"preference": "1.0"}, 1),
        ("response_0 response_1", {"labels": 1}, 1),
        ("response_0 response_1", {"chosen_index": 1}, 1),
        ("response_1 response_2", {"choice": 1}, 0),
        ("response_1 response_2", {"choice": 2}, 1),
        ("response_1 response_2", {"better_response_id": 1}, 0),
        ("response_1 response_2", {"chosen_index": 0}, 0),
        ("response_1 response_2", {"preference": "B"}, 1),
        ("response_1 response_2", {"preference": 1.0}, 0),
        ("response_1 response_2", {"winner": "second"}, 1),
        ("response1 response2", {"winner": "response2"}, 1),
        ("response_a response_b", {"winner": "llama_a", "model_a": "q", "model_b": "llama_a"}, 1),
        ("response_a response_b", {"winner": "gpt-4b", "model_a": "x", "model_b": "GPT-4b"}, 1),
        ("response_a response_b", {"winner": "katie-7b", "model_a": "katie-7b"}, 0),
        ("response_a response_b", {"winner": "model_b"}, 1),
        ("response_a response_b", {"winner": "[[B]]"}, 1),
        ("response_a response_b", {"choice": 0}, 0),
        ("response_a response_b", {"preference": 2}, 1),
        ("answer_a answer_b", {"preferred": "answer_b"}, 1),
        ("human_ref_A human_ref_B", {"labels": 1}, 0),
        ("response_1 response_2", {"preference_strength": -1}, 0),
        ("model_a_response model_b_response", {"winner": "model_b"}, 1),
    ],
)
def test_the_better_one_is_chosen(columns: str, judge: dict[str, Any], better: int) -> None:
    texts = (BAD, GOOD) if better else (GOOD, BAD)
    row = {"prompt": "q", **dict(zip(columns.split(), texts, strict=True)), **judge}
    found = parsed(row)
    assert isinstance(found, Normal), found
    assert (found.chosen[-1].content, found.rejected[-1].content) == (GOOD, BAD)


@pytest.mark.parametrize(
    ("columns", "judge", "id"),
    [
        # Neither a name of a column nor that of a model: a tail of it tells nothing.
        ("response_a response_b", {"winner": "llama_a"}, "label.missing"),
        ("response_a response_b", {"winner": "m", "model_a": "m", "model_b": "m"}, "label.missing"),
        ("response_0 response_1", {"winner": 2}, "label.number"),
        ("response_1 response_2", {"choice": 0}, "label.number"),
        ("response_1 response_2", {"preference": 0}, "label.number"),
        ("response_1 response_2", {"choice": True}, "label.missing"),
        ("response_1 response_2", {"preference_strength": float("nan")}, "label.missing"),
        ("response_a response_b", {"preference": 0}, "label.number"),
        ("response_a response_b", {"choice": 2}, "label.number"),
        ("response_1 response_2", {"choice": "nan"}, "label.missing"),
        ("response_a response_b", {"winner": "tie (bothbad)"}, "pair.tie"),
        ("response_a response_b", {"winner": "both_bad"}, "pair.tie"),
        ("response_1 response_2", {"preference": 1.5}, "pair.tie"),
    ],
)
def test_what_says_nothing_is_not_guessed_at(columns: str, judge: dict[str, Any], id: str) -> None:
    row = {"prompt": "q", **dict(zip(columns.split(), (GOOD, BAD), strict=True)), **judge}
    [wrong] = parsed(row)
    assert wrong.id == id


def test_numbers_that_may_count_otherwise_say_so_and_how(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    row = {"prompt": "q", "response_a": BAD, "response_b": GOOD}
    for judge, value in (("preference", 1), ("choice", 2), ("labels", 1)):
        judged = {**row, judge: value}
        told = because(judged, path)
        asked = told.partition("--format ")[2].rstrip(")")
        assert asked.startswith("ranked:prompt=prompt,first=response_a,second=response_b"), told
        assert parsed(judged, asked).chosen[-1].content == GOOD
    assert "--format" not in because({**row, "winner": "model_b"}, path)
    numbered = {"prompt": "q", "response_0": BAD, "response_1": GOOD, "choice": 1}
    assert "--format" not in because(numbered, path)


def test_a_number_that_no_column_has_says_how_it_could_be_read(tmp_path: Path) -> None:
    for first, second in (("response_1", "response_2"), ("response_a", "response_b")):
        row = {first: GOOD, second: BAD, "winner": 0, "prompt": "q"}
        [wrong] = parsed(row)
        asked = wrong.expected.partition("--format ")[2]
        assert parsed(row, asked).chosen[-1].content == GOOD
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(row) + "\n")
    [finding] = [f for f in check_data(path).findings if f.id == "label.number"]
    # Dropping these rows would leave others that are read wrongly.
    assert finding.fixes == ()
    assert finding.examples[0].endswith(asked)


def test_names_of_a_spreadsheet_are_judged_too() -> None:
    row = {"prompt": "q", "Response 0": BAD, "Response 1": GOOD, "Better Response Id": 1}
    assert parsed(row).chosen[-1].content == GOOD


@pytest.mark.parametrize(
    "fields",
    [
        {"responses": [{"text": BAD, "label": 0}, {"text": GOOD, "label": 1}]},
        {"responses": [{"text": GOOD, "correct": True}, {"text": BAD, "correct": False}]},
        {
            "answers": [
                {"text": BAD, "score": 1, "label": 1},
                {"text": GOOD, "score": 2, "label": 0},
            ]
        },
        {"generations": ["middle", GOOD, BAD], "ratings": [3, 5, 1], "model_name": "m"},
        {"generations": [GOOD, "unrated", BAD], "ratings": [5, None, 1.5]},
        {"responses": [BAD, GOOD], "rank": [2, 1]},
        {"completions": [{"text": BAD}, {"text": GOOD}], "scores": [0.1, 0.9]},
    ],
)
def test_the_best_and_the_worst_of_a_list_are_a_pair(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    row = {"prompt": "q", **fields}
    found = parsed(row)
    assert isinstance(found, Normal), found
    assert (found.chosen[-1].content, found.rejected[-1].content) == (GOOD, BAD)
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(row) + "\n")
    report = check_data(path)
    assert (report.format, report.facts.usable_rows) == ("ranked", 1)


@pytest.mark.parametrize(
    ("fields", "id"),
    [
        ({"responses": [GOOD, BAD], "scores": [1]}, "label.missing"),
        ({"responses": [GOOD, BAD], "scores": [1, 1]}, "pair.tie"),
        ({"responses": [{"text": GOOD, "label": 3}, {"text": BAD, "label": 1}]}, "shape.unknown"),
        # Of candidates nothing is learned as if each were a text with a class.
        (
            {"responses": [{"text": GOOD, "label": "A"}, {"text": BAD, "label": "B"}]},
            "shape.unknown",
        ),
    ],
)
def test_candidates_that_nobody_judged_are_no_classes(
    fields: dict[str, Any], id: str, tmp_path: Path
) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps({"prompt": "q", **fields}) + "\n")
    report = check_data(path)
    assert (report.verdict, report.facts.usable_rows) == ("blocked", 0)
    assert id in {finding.id for finding in report.findings}


def test_parts_with_a_mask_are_no_classes(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    row = {"segments": [{"label": False, "text": "q"}, {"label": True, "text": "a"}]}
    path.write_text(json.dumps(row) + "\n")
    [finding] = [f for f in check_data(path).findings if f.id == "shape.stranger"]
    assert finding.count == 1
    assert "parts of a text" in finding.examples[0]


@pytest.mark.parametrize(
    "columns", ["response_0 response_1 response_2", "answer_a answer_b answer_c"]
)
def test_a_third_answer_is_not_left_out_in_silence(columns: str) -> None:
    row = {"prompt": "q", **dict.fromkeys(columns.split(), "x"), "winner": 2}
    bound = Finder().find(row)
    assert bound is None or bound.shape.name != "ranked"


def test_a_score_that_is_no_number_judges_nothing() -> None:
    answers = [("n", float("nan")), (GOOD, 5.0), (BAD, 1.0)]
    row: dict[str, Any] = {
        "prompt": "q",
        "answers": [{"text": text, "score": score} for text, score in answers],
    }
    row["answers"].reverse()
    found = parsed(row)
    assert (found.chosen[-1].content, found.rejected[-1].content) == (GOOD, BAD)
