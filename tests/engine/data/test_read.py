"""Every row is checked, and what is wrong is named at file:line:field before anything starts."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.data.fingerprint import fingerprint
from tunewright.engine.data.read import read_examples
from tunewright.hardware.errors import Problem

TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def refused(path: Path, format: str = "auto") -> Problem:
    with pytest.raises(Problem) as caught:
        read_examples(path, format)
    assert caught.value.cure
    return caught.value


def test_the_three_formats_become_the_same_example(tmp_path: Path) -> None:
    forms = {
        "messages": {"messages": TURNS},
        "prompt_completion": {"prompt": "q", "completion": "a"},
        "alpaca": {"instruction": "q", "input": "", "output": "a"},
    }
    for name, row in forms.items():
        reading = read_examples(jsonl(tmp_path / f"{name}.jsonl", [row]))
        assert reading.format == name
        turns = [(m.role, m.content) for m in reading.examples[0].messages]
        assert turns == [("user", "q"), ("assistant", "a")]


def test_prompt_and_completion_may_be_turns(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "d.jsonl", [{"prompt": TURNS[:1], "completion": TURNS[1:]}])
    assert len(read_examples(path).examples[0].messages) == 2


def test_alpaca_joins_input_after_a_blank_line_and_keeps_history(tmp_path: Path) -> None:
    row = {
        "instruction": "do",
        "input": "this",
        "output": "done",
        "system": "be kind",
        "history": [["q", "a"]],
    }
    messages = read_examples(jsonl(tmp_path / "d.jsonl", [row])).examples[0].messages
    assert [m.role for m in messages] == ["system", "user", "assistant", "user", "assistant"]
    assert messages[3].content == "do\n\nthis"


def test_a_json_array_a_bom_and_blank_lines_are_read(tmp_path: Path) -> None:
    array = tmp_path / "a.json"
    array.write_bytes(b"\xef\xbb\xbf" + json.dumps([{"messages": TURNS}] * 3).encode())
    assert len(read_examples(array).examples) == 3
    lines = tmp_path / "l.jsonl"
    row = json.dumps({"messages": TURNS}).encode()
    lines.write_bytes(b"\xef\xbb\xbf" + row + b"\r\n\r\n\n" + row)
    assert [e.place.line for e in read_examples(lines).examples] == [1, 4]


@pytest.mark.parametrize(
    ("turns", "field"),
    [
        ([], "messages"),
        ("text", "messages"),
        ([{"role": "human", "content": "q"}], "messages[0].role"),
        ([TURNS[0], {"role": "assistant", "content": 7}], "messages[1].content"),
        ([TURNS[0], {"role": "assistant", "content": " "}], "messages[1].content"),
        ([TURNS[1]], "messages[0].role"),
        ([TURNS[0], TURNS[0], TURNS[1]], "messages[1].role"),
        ([*TURNS, TURNS[0]], "messages[2].role"),
        ([*TURNS, {"role": "system", "content": "s"}], "messages[2].role"),
        ([TURNS[0], None], "messages[1]"),
    ],
)
def test_wrong_turns_are_named_at_their_field(tmp_path: Path, turns: Any, field: str) -> None:
    path = jsonl(tmp_path / "d.jsonl", [{"messages": TURNS}, {"messages": turns}])
    assert f"{path}:2:{field}: found" in refused(path).why


def test_all_wrong_rows_are_counted_and_the_first_shown(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "completion": ""}] * 30 + [{"prompt": "q", "completion": "a"}]
    problem = refused(jsonl(tmp_path / "d.jsonl", rows))
    assert "30 rows" in problem.what
    assert problem.why.count("d.jsonl:") == 10
    assert "and 20 more" in problem.why


def test_broken_lines_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b'{"prompt": "q", "completion": "a"}\n{"prompt": \n\xff\xfe{}\n[' + b"[" * 9)
    why = refused(path).why
    assert all(f"{path}:{line}:row" in why for line in (2, 3, 4))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"[]", b"{", b"[1, 2", b"\x00" * 50, b"7\n8\n"])
def test_what_is_no_data_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d.jsonl").write_bytes(content)
    refused(tmp_path / "d.jsonl")


def test_missing_and_unreadable_files_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "absent.jsonl")
    refused(tmp_path)
    with pytest.raises(Problem):
        fingerprint(tmp_path)


def test_unknown_columns_are_told_and_unknown_formats_refused(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "d.jsonl", [{"prompt": "q", "completion": "a", "id": 1}] * 3)
    assert read_examples(path).unused_fields == {"id": 3}
    assert "messages" in refused(path, "matrix").why
    assert "question" in refused(jsonl(tmp_path / "q.jsonl", [{"question": "q"}])).why


def test_deep_nesting_and_long_lines_do_not_crash(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b'{"messages": ' + b"[" * 200_000 + b"]" * 200_000 + b"}\n")
    refused(path)
    long = "x" * 5_000_000
    path.write_text(json.dumps({"prompt": long, "completion": "a"}) + "\n")
    assert len(read_examples(path).examples[0].messages[0].content) == 5_000_000


def test_random_bytes_never_crash_the_reader(tmp_path: Path) -> None:
    draw = random.Random(1)
    whole = json.dumps({"messages": TURNS}).encode()
    path = tmp_path / "d.jsonl"
    for _ in range(300):
        blob = bytearray(whole * 3)
        for _ in range(draw.randint(1, 6)):
            blob[draw.randrange(len(blob))] = draw.randrange(256)
        path.write_bytes(bytes(blob))
        with contextlib.suppress(Problem):
            read_examples(path)
