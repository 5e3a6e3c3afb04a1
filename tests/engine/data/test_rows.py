"""Where a row is broken is told to the column, and nothing that was written is dropped unsaid."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.data.read import read_examples
from tunewright.hardware.errors import Problem

GOOD = b'{"prompt": "q", "completion": "a"}\n'


def why(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(Problem) as caught:
        read_examples(path)
    return caught.value.why


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"prompt": "q", "completion": }', "invalid character at column 31"),
        # Columns are characters, not bytes.
        ('{"prompt": "üü", "completion": }', "invalid character at column 32"),
        ('  {"prompt": }', "invalid character at column 14"),
    ],
)
def test_a_broken_line_is_told_with_its_column(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "d.jsonl"
    assert f"{path}:2:row: found {said}" in why(path, GOOD + line.encode() + b"\r\n")


def test_bytes_that_are_not_utf8_are_told_with_their_offset(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    line = '{"prompt": "caf\u00e9", "completion": "a"}'.encode("latin-1")
    found = why(path, GOOD + GOOD + line)
    assert f"{path}:3:row: found byte 16, column 16, is 0xe9: not UTF-8" in found


def test_a_broken_array_is_told_with_line_and_column(tmp_path: Path) -> None:
    text = '[\n {"prompt": "q", "completion": "a"},\n {"prompt": oops}\n]'
    assert "line 3, column 13" in why(tmp_path / "d.json", text.encode())


def test_files_of_another_kind_are_named(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"PK\x03\x04" + GOOD)
    with pytest.raises(Problem, match="a zip archive"):
        read_examples(path)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Problem, match="not a regular file"):
        read_examples(tmp_path / "pipe")


def test_fields_of_turns_that_are_not_used_are_told(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "q", "mood": "calm"},
        {"role": "assistant", "content": "a", "weight": 1},
    ]
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps({"messages": turns}) + "\n")
    unused = read_examples(path).unused_fields
    assert unused == {"messages[].mood": 1}


@pytest.mark.parametrize(
    ("field", "value"), [("input", 0), ("input", []), ("system", False), ("history", "")]
)
def test_values_of_a_wrong_type_are_not_taken_for_absent(
    tmp_path: Path, field: str, value: Any
) -> None:
    row = {"instruction": "i", "output": "o", field: value}
    assert f":1:{field}: found" in why(tmp_path / "d.jsonl", json.dumps(row).encode())


def test_absent_and_null_optional_fields_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    bare = {"instruction": "i", "output": "o"}
    null = bare | {"input": None, "system": None, "history": None}
    path.write_text(json.dumps(bare) + "\n" + json.dumps(null) + "\n")
    first, second = read_examples(path).examples
    assert first.messages == second.messages
