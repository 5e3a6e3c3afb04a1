"""Columns that are languages, and columns whose names are merely short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from known_sets import SETS

from tunewright.engine.data.checks.check import Options
from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.read import read_examples
from tunewright.engine.data.shapes.find import Finder


def shape_of(row: dict[str, Any]) -> str | None:
    bound = Finder().find(row)
    return None if bound is None else bound.shape.name


@pytest.mark.parametrize(
    ("columns", "shape"),
    [
        ("question answer cat sub", "prompt_completion"),
        ("prompt response env app", "prompt_completion"),
        ("prompt completion geo ver", "prompt_completion"),
        ("prompt response en de", "prompt_completion"),
        ("article summary day pub", "prompt_completion"),
        ("text label day pub", "classes"),
        ("text label en fr", "classes"),
        ("text src org lic", "text"),
        ("text lang en de", "text"),
        ("ans ask", None),
        ("cmd nl", None),
        ("tel cat", None),
        ("lat geo", None),
        ("id en", None),
        ("foo bar", None),
        ("de en", "translation"),
        ("en cat", "translation"),
        ("eng deu", "translation"),
        ("eng_Latn gla_Latn", "translation"),
        ("en-US pt_BR", "translation"),
        ("zh-Hans id en", "translation"),
        ("English German split", "translation"),
        ("en de source domain", "translation"),
    ],
)
def test_two_columns_are_a_translation_only_under_languages(
    columns: str, shape: str | None
) -> None:
    assert shape_of({column: f"some {column}" for column in columns.split()}) == shape


def test_within_a_field_that_says_so_rare_languages_count_too() -> None:
    assert shape_of({"translation": {"eng": "a", "xal": "b"}}) == "translation"
    assert shape_of({"translation": {"src": "a", "tgt": "b"}}) != "translation"


def test_a_question_and_its_answer_that_nobody_reads_stop_the_training(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    row = {"text": "A page.", "prompt": "q", "response": "a page"}
    path.write_text(json.dumps(row) + "\n")
    asked = "text:text=text"
    report = check_data(path, Options(format=asked))
    [finding] = [f for f in report.findings if f.id == "field.pair"]
    assert (finding.severity, report.verdict) == ("error", "blocked")
    # Every row has it, so that they go is no cure.
    assert (finding.fixes, "--format" in finding.fix) == ((), True)
    command = finding.examples[0].partition("--format ")[2]
    assert read_examples(path, command).examples[0].messages[-1].content == "a page"
    # What is said in the turns too is no loss.
    path.write_text(json.dumps(row | {"response": "A page"}) + "\n")
    assert "field.pair" not in {f.id for f in check_data(path, Options(format=asked)).findings}


def test_no_known_set_has_a_pair_that_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    for known in SETS.values():
        path.write_text(json.dumps(known.row) + "\n")
        assert "field.pair" not in {f.id for f in check_data(path).findings}, known
