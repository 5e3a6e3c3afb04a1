"""Answers as a file, and what the rows say by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tunewright.engine.data.read import read_examples
from tunewright.engine.decide.answers import Answers, answers_schema, load_answers
from tunewright.engine.decide.asking import next_question
from tunewright.engine.decide.case import case_of
from tunewright.engine.decide.facts import Facts, facts_of_rows
from tunewright.hardware.errors import Problem

FULL: dict[str, Any] = {
    "goal": "",
    "prompting": "fails",
    "knowledge": "changes_daily",
    "external_lookup": False,
    "behaviour": True,
    "examples": 800,
    "quality": "high",
    "repetitive": True,
    "latency_critical": False,
    "token_cost_critical": False,
    "domain_terms": True,
    "preference_pairs": 0,
    "data": "rows.jsonl",
}


def written(folder: Path, value: Any) -> Path:
    path = folder / "answers.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_full_file_is_read_and_written_the_same(tmp_path: Path) -> None:
    answers = load_answers(written(tmp_path, FULL))
    assert msgspec.to_builtins(answers) == FULL
    assert load_answers(written(tmp_path, {})) == Answers()


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert load_answers(path) == Answers()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"prompting": "great"}, "$.prompting`: it is untried, fails, partly, works"),
        ({"examples": -1}, "$.examples"),
        ({"examples": "many"}, "$.examples"),
        ({"examples": 1.5}, "$.examples"),
        ({"behaviour": 1}, "$.behaviour"),
        ({"behavior": True}, "is behaviour meant?"),
        ({"zzz": True}, "unknown field `zzz`"),
        ({"quality": ["high"]}, "$.quality"),
        ([], "array"),
        ("{", "JSON"),
        ("", "JSON"),
        ("[" * 100_000, "array"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_file_is_told_with_its_field(tmp_path: Path, value: Any, told: str) -> None:
    with pytest.raises(Problem) as caught:
        load_answers(written(tmp_path, value))
    assert told in str(caught.value)
    assert "--schema" in caught.value.cure


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_bytes(b'{"goal": "\xff\xfe"}')
    with pytest.raises(Problem):
        load_answers(path)


def test_an_absent_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot read the answers"):
        load_answers(tmp_path / "none.json")


def test_the_schema_has_every_field_with_its_values() -> None:
    fields = answers_schema()["$defs"]["Answers"]["properties"]
    assert set(fields) == set(FULL)
    assert {"enum": ["changes_daily", "changes_monthly", "none", "static"]} in fields["knowledge"][
        "anyOf"
    ]


def rows(folder: Path, pairs: list[tuple[str, str]]) -> Facts:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": p, "completion": c}) + "\n" for p, c in pairs))
    return facts_of_rows(read_examples(path).examples)


def test_identical_rows_are_counted_as_one(tmp_path: Path) -> None:
    facts = rows(tmp_path, [("q", "a")] * 800)
    assert (facts.rows, facts.duplicate_rows, facts.distinct) == (800, 799, 1)
    assert facts.constant
    assert facts.conflicting_rows == 0


def test_contradictions_are_counted_where_answers_can_be_compared(tmp_path: Path) -> None:
    labels = [(f"mail {n}", "yes") for n in range(70)]
    noisy = [(f"mail {n}", "no") for n in range(30)]
    facts = rows(tmp_path, labels + noisy)
    assert facts.conflicting_rows == 60
    assert facts.answers == "short"
    assert facts.quality == "low"
    assert rows(tmp_path, labels + noisy[:3]).quality == "mixed"
    assert rows(tmp_path, labels).quality is None
    story = "it was a dark and stormy night, " * 5
    texts = rows(tmp_path, [(p, story + c) for p, c in labels + noisy])
    assert texts.conflicting_rows == 60
    assert texts.quality is None


def test_json_answers_are_known_without_a_tokenizer(tmp_path: Path) -> None:
    assert rows(tmp_path, [(str(n), json.dumps({"n": n})) for n in range(20)]).answers == "json"


def test_held_out_rows_count_at_the_share_of_new_ones() -> None:
    facts = Facts(rows=720, eval_rows=80, duplicate_rows=360)
    assert (facts.total, facts.distinct) == (800, 400)
    assert facts.quality is None


def test_an_answer_overrides_a_count_but_not_that_rows_repeat() -> None:
    facts = Facts(rows=800, duplicate_rows=300)
    assert case_of(Answers(), facts).examples == 500
    assert case_of(Answers(examples=200), facts).examples == 200
    assert case_of(Answers(examples=800), facts).examples == 500
    assert case_of(Answers(examples=5000), facts).examples == 5000


def test_an_empty_file_of_rows_counts_nothing() -> None:
    assert facts_of_rows(()).distinct == 0
    assert Facts(rows=0, duplicate_rows=0).duplicate_share == 0.0


def test_goal_comes_first_and_data_before_what_its_rows_would_answer() -> None:
    def first(facts: Facts, **answers: Any) -> str | None:
        question = next_question(Answers(**answers), facts)
        return None if question is None else question.id

    known = {key: FULL[key] for key in ("goal", "prompting", "external_lookup", "behaviour")}
    known["knowledge"] = "none"
    assert first(Facts()) == "goal"
    assert first(Facts(), **known) == "data"
    assert first(Facts(), **known, data="") == "examples"
    assert first(Facts(rows=600, duplicate_rows=0), **known, preference_pairs=0) == "quality"
