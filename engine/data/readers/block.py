"""What every reader yields: rows with their places, a few megabytes at a time."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from tunewright.engine.data.example import Place
from tunewright.engine.data.readers.broken import BROKEN, said_of
from tunewright.engine.data.readers.halves import HALF_BYTES, without_halves

# Bytes of a block: enough that a process pool has work, little enough that ten may wait.
BLOCK_BYTES = 2 << 20
# A line longer than this is no row of text; it is passed over and told.
MOST_ROW_BYTES = 256 << 20
# Where no line has ended within so much, none will: a bomb, or no text.
MOST_PASSED = 8 * MOST_ROW_BYTES
# Python's own reader of literals takes a hundred times the memory of the text.
_MOST_LOOSE = 4 << 20
Side = Literal["train", "eval"]


class Wrong(NamedTuple):
    """One field that is not as expected; `id` is the finding that it becomes."""

    field: str
    found: str
    expected: str
    id: str = "field.type"


class RawRow(NamedTuple):
    """One row as the file has it: its line, and its value, or what is wrong with the line. `row` as
    in `Place`."""

    line: int
    value: Any
    wrong: Wrong | None = None
    # What was odd about the line, although it could be read.
    note: Wrong | None = None
    row: int | None = None

    @property
    def number(self) -> int:
        """What no other row of the file has."""
        return self.line if self.row is None else self.row

    def place(self, file: str) -> Place:
        """Where it stands."""
        return Place(file, self.line, None, self.row)


class Block(msgspec.Struct, frozen=True):
    """Consecutive rows of one file: as raw `lines` of JSON from line `first` on (decoded by
    whoever takes the block, so that this happens in parallel), or as `made` rows."""

    first: int
    lines: bytes = b""
    made: tuple[RawRow, ...] = ()
    # The split of a document that holds several; None: that of the file.
    side: Side | None = None

    def rows(self) -> Iterator[RawRow]:
        """Every row that is not blank."""
        yield from self.made
        if not self.lines:
            return
        decode = msgspec.json.Decoder().decode
        for line, text in enumerate(self.lines.split(b"\n"), self.first):
            if not text or text.isspace():
                continue
            try:
                value = decode(text)
            except BROKEN as error:
                yield read_loosely(line, text) or RawRow(line, None, broken_line(text, error))
            else:
                plain = type(value) is dict and "row_idx" not in value
                yield RawRow(line, value if plain else as_row(value))


def as_row(value: Any) -> Any:
    """A row that is a bare list (of turns, or a question and its answer) or stands in an envelope
    of datasets-server, as the object that it means."""
    if isinstance(value, dict):
        return value["row"] if value.keys() >= {"row_idx", "row"} else value
    if not isinstance(value, list) or not value:
        return value
    first = value[0]
    if isinstance(first, dict):
        if "from" in first:
            return {"conversations": value}
        return {"messages": value} if "role" in first else value
    if len(value) == 2 and isinstance(first, str) and isinstance(value[1], str):
        return {"prompt": first, "completion": value[1]}
    return value


def read_loosely(line: int, text: bytes) -> RawRow | None:
    """A line that is nearly JSON, and can mean one thing only: an object with a comma after it,
    with NaN or half a pair of surrogates in it, or written as Python writes it. None for anything
    else."""
    bare = text.strip()
    if bare[:1] not in (b"{", b"[") or len(bare) > _MOST_LOOSE:
        return None
    value: Any = None
    odd = ""
    try:
        if bare.endswith(b","):
            value, odd = msgspec.json.decode(bare[:-1]), "a comma after it"
        elif (half := HALF_BYTES.search(bare)) or b"NaN" in bare or b"Infinity" in bare:
            value, odd = json.loads(bare, parse_constant=lambda name: None), "NaN, read as null"
            if half and (whole := without_halves(value)) != value:
                value, odd = whole, "half a surrogate pair, read as \ufffd"
        elif b"'" in bare[:3]:
            value, odd = ast.literal_eval(bare.decode()), "Python's quotes"
    except (*BROKEN, ValueError, SyntaxError, MemoryError):
        return None
    if not isinstance(value, (dict, list)):
        return None
    note = Wrong("row", f"JSON with {odd}", "one JSON object a line", "json.loose")
    return RawRow(line, as_row(value), None, note)


def broken_line(text: bytes, error: Exception) -> Wrong:
    """A line that is no JSON, and where it stops being it."""
    try:
        text.decode()
        id = "json.broken"
    except UnicodeDecodeError:
        id = "encoding.broken"
    return Wrong("row", said_of(text, error), "one JSON object a line", id)
