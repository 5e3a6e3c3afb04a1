"""Rows that lie on disk are the rows that were put there, and cost a few bytes each."""

from __future__ import annotations

import errno
import gc
import json
import tracemalloc
from array import array
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.data.example import Example, Message, Place, ToolCall
from tunewright.engine.data.prepared import read_split
from tunewright.engine.data.stored import Shelf, Stored
from tunewright.engine.session import DataInput
from tunewright.hardware.errors import Problem


def example(number: int, said: str = "so", file: str = "a.jsonl", **more: Any) -> Example:
    turns = (Message("user", f"what is {number}"), Message("assistant", said))
    return Example(turns, Place(file, number + 1), **more)


def shelved(rows: list[Example]) -> Stored:
    shelf = Shelf()
    for row in rows:
        shelf.add(row)
    return shelf.stored()


ODD = [
    example(0),
    # Half a surrogate pair and an integer of more than 64 bits are in JSON that people have.
    example(1, "\ud83d"),
    example(2, tools=({"name": "f", "most": 2**70},)),
    Example(
        (
            Message("user", "q"),
            Message("assistant", "", tool_calls=(ToolCall("f", {"at": [1, None, 0.1]}, "1"),)),
            Message("tool", "{}", name="f", tool_call_id="1"),
            Message("assistant", "x" * 3_000_000, reasoning="because", trained=False),
        ),
        Place("a.jsonl", 4),
    ),
    Example(example(4).messages, Place("b.json", 9, row=4)),
]


def test_rows_come_back_as_they_were_by_number_and_in_order() -> None:
    rows = shelved(ODD)
    assert list(rows) == ODD
    assert [rows[n] for n in (4, 0, 2, -1)] == [ODD[n] for n in (4, 0, 2, -1)]
    assert rows[1:3] == tuple(ODD[1:3])
    with pytest.raises(IndexError):
        rows[5]


def test_a_part_of_the_rows_is_counted_from_its_own_first_one() -> None:
    rows = shelved(ODD).only(array("I", [1, 3, 4]))
    assert list(rows) == [ODD[1], ODD[3], ODD[4]]
    part = rows.only(array("I", [0, 2]))
    assert list(part) == [ODD[1], ODD[4]]
    assert [part.places.find(row.place) for row in ODD] == [None, 0, None, None, 1]
    assert [rows.places.find(row.place) for row in ODD] == [None, 0, None, 1, 2]
    assert rows.places.find(Place("c.jsonl", 2)) is None


def test_memory_does_not_hold_the_rows() -> None:
    said = "a sentence of some length that would add up " * 20
    gc.collect()
    tracemalloc.start()
    try:
        shelf = Shelf()
        for number in range(20_000):
            shelf.add(example(number, f"{number} {said}"))
        rows = shelf.stored()
        assert sum(len(row.messages[1].content) for row in rows) > 17_000_000
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1_000_000


def test_a_full_disk_is_told_before_anything_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, text: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tunewright.engine.data.stored.unnamed_file", lambda prefix: Full())
    shelf = Shelf()
    shelf.add(example(0))
    with pytest.raises(Problem, match="cannot be written") as caught:
        shelf.stored()
    assert "No space left" in caught.value.why
    assert "TMPDIR=" in caught.value.cure


def test_the_split_of_a_file_is_the_same_whoever_asks(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("w") as file:
        for n in range(300):
            row = {"prompt": f"question {n % 120} of the list", "completion": f"answer {n}"}
            file.write(json.dumps(row) + "\n")
    data = DataInput(path=str(path), eval_fraction=0.2)
    read_split.cache_clear()
    train, held, _ = read_split(data, tmp_path, 3)
    read_split.cache_clear()
    again = read_split(data, tmp_path, 3)
    assert (list(train), list(held)) == (list(again.train), list(again.held))
    asked = {row.messages[0].content for row in train}
    assert not asked & {row.messages[0].content for row in held}
    lines = sorted(row.place.line for row in (*train, *held))
    assert lines == list(range(1, 301))
