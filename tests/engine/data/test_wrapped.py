"""Rows in a wrapper, and tables in a document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.read import read_examples

NAMES = ["prompt", "response"]
CELLS = [["q0", "a0"], ["q1", "a1"], ["q2", "a2"]]
ROWS = [dict(zip(NAMES, cells, strict=True)) for cells in CELLS]


def turns(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": row["prompt"]},
        {"role": "assistant", "content": row["response"]},
    ]


VIEWED = [{"row_idx": at, "row": row, "truncated_cells": []} for at, row in enumerate(ROWS)]
DOCUMENTS: dict[str, Any] = {
    "pandas, split": {"columns": NAMES, "index": [0, 1, 2], "data": CELLS},
    "viewer": {"features": [{"name": "prompt"}], "rows": VIEWED, "num_rows_total": 3},
}
LINES: dict[str, list[dict[str, Any]]] = {
    "requests of a batch": [
        {"custom_id": "r", "method": "POST", "url": "/v1", "body": {"messages": turns(row)}}
        for row in ROWS
    ],
    "langsmith": [
        {"id": "0", "inputs": {"question": row["prompt"]}, "outputs": {"answer": row["response"]}}
        for row in ROWS
    ],
    "elasticsearch": [{"_index": "i", "_id": "1", "_source": row} for row in ROWS],
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
@pytest.mark.parametrize("indent", [None, 1])
def test_documents_hold_tables(document: Any, indent: int | None, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps(document, indent=indent))
    found = read_examples(path).examples
    assert [[m.content for m in example.messages] for example in found] == CELLS


def test_a_table_of_as_many_rows_as_columns_is_no_set_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps({"columns": NAMES, "index": [0, 1], "data": CELLS[:2]}))
    found = read_examples(path).examples
    assert [[m.content for m in example.messages] for example in found] == CELLS[:2]


@pytest.mark.parametrize("rows", LINES.values(), ids=LINES.keys())
def test_rows_are_taken_out_of_their_wrapper(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_examples(path).examples
    assert [[m.content for m in example.messages] for example in found] == CELLS
    assert [example.place.line for example in found] == [1, 2, 3]
    [finding] = [f for f in check_data(path).findings if f.id == "rows.nested"]
    assert finding.count == len(rows)


def test_paths_through_a_wrapper_stay_good(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in LINES["langsmith"]))
    asked = "prompt_completion:prompt=inputs.question,completion=outputs.answer"
    found = read_examples(path, asked)
    assert [[m.content for m in example.messages] for example in found.examples] == CELLS
    assert found.unused_fields == {"id": 3}


def test_a_name_that_would_stand_for_two_things_is_left_to_the_person(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps({"inputs": {"text": "q"}, "outputs": {"text": "a"}}) + "\n")
    [finding] = [f for f in check_data(path).findings if f.id == "shape.unknown"]
    asked = finding.examples[0].partition("--format ")[2]
    [example] = read_examples(path, asked).examples
    assert [m.content for m in example.messages] == ["q", "a"]


def test_a_broken_row_among_wrapped_ones_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    lines = [json.dumps(row) for row in LINES["langsmith"]]
    path.write_text("\n".join([lines[0], "{broken", lines[1]]) + "\n")
    [finding] = [f for f in check_data(path).findings if f.id == "json.broken"]
    assert [place.line for place in finding.places] == [2]


@pytest.mark.parametrize(
    "row",
    [
        {"id": "b", "custom_id": "r", "response": {"body": {"choices": []}}, "error": None},
        {"type": "conversation", "source": {"body": "q"}, "conversation_parts": {"x": []}},
    ],
)
def test_what_needs_work_first_is_named(row: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(row) + "\n")
    assert "shape.stranger" in {finding.id for finding in check_data(path).findings}
