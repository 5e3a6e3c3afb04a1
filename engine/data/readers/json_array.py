"""A JSON document that is not one row a line: an array, objects one after the other, or an object
that holds the rows. Values are decoded one at a time; the document is never whole in memory."""

from __future__ import annotations

import codecs
import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tunewright.engine.data.nests.nest import nest_of
from tunewright.engine.data.readers.block import (
    BLOCK_BYTES,
    Block,
    RawRow,
    Side,
    Wrong,
    as_row,
)
from tunewright.engine.data.readers.halves import HALF, without_halves
from tunewright.engine.data.readers.opened import CutOff, open_bytes, pieces
from tunewright.engine.data.readers.places import Places
from tunewright.engine.data.shapes.find import Finder
from tunewright.hardware.errors import Problem

# Rows a block; a document of fewer is one block.
_ROWS = 2000
_FIRST_BYTES = 256 << 10
# An error so far before the end of what has been read is no cut, but broken JSON.
_MARGIN = 64 << 10
# An object around all rows has to be read whole.
_MOST_WRAPPER = 512 << 20
_SPACE = " \t\r\n"
_SPLITS: dict[str, Side] = {
    "train": "train", "training": "train", "test": "eval", "validation": "eval", "valid": "eval",
    "val": "eval", "dev": "eval", "eval": "eval",
}  # fmt: skip


def read_blocks(path: Path) -> Iterator[Block]:
    """Blocks of rows, each with the line on which it begins. A `Problem` when the document is not
    whole JSON, a `file.cut` row when a compressed file is not whole."""
    made: list[RawRow] = []
    before: Side | None = None
    places = Places()
    for row, side in _unfolded(_rows(path, places), places):
        if made and (len(made) >= _ROWS or places.taken > BLOCK_BYTES or side != before):
            yield Block(made[0].line, made=tuple(made), side=before)
            made, places.taken = [], 0
        made.append(row)
        before = side
    if made:
        yield Block(made[0].line, made=tuple(made), side=before)


def _rows(path: Path, places: Places) -> Iterator[tuple[RawRow, Side | None]]:
    number = 0
    line = 1
    try:
        for value, alone, note, line, text, size in _values(path):
            places.look_at(value, line, text, size)
            for one, side in unwrapped(value) if alone else ((value, None),):
                number += 1
                at = line if one is value else places.line_of(one) or line
                yield RawRow(at, as_row(one), None, note, number), side
    except CutOff as cut:
        wrong = Wrong("file", str(cut), "a whole compressed file", "file.cut")
        yield RawRow(line, None, wrong, None, number + 1), None


def _unfolded(
    rows: Iterator[tuple[RawRow, Side | None]], places: Places
) -> Iterator[tuple[RawRow, Side | None]]:
    """The rows, or those that they hold, at their own lines. A document of several splits is told
    apart by them, and its records are taken for rows."""
    first = list(itertools.islice(rows, 1))
    rows = itertools.chain(first, rows)
    nest = nest_of(row for row, side in first if side is None)
    if nest is None:
        yield from rows
    else:
        yield from ((row, None) for row in nest((row for row, _ in rows), places.line_of))


def unwrapped(value: Any) -> Iterator[tuple[Any, Side | None]]:
    """(row, its split) for each row of an object that holds rows: as a list under some name, as
    lists of several splits, as columns, as a table, or by their ids; else it is the only row."""
    if isinstance(value, dict) and len(value) > 0 and Finder().find(value) is None:
        if listed := _table(value) or _viewed(value):
            yield from ((row, None) for row in listed)
            return
        lists = {str(key): rows for key, rows in value.items() if _is_rows(rows)}
        splits = {name: rows for name, rows in lists.items() if name.lower() in _SPLITS}
        if len(splits) > 1 or (splits and len(splits) == len(lists)):
            several = len({_SPLITS[name.lower()] for name in splits}) > 1
            for name, rows in splits.items():
                side = _SPLITS[name.lower()] if several else None
                yield from ((row, side) for row in rows)
            return
        if len(lists) == 1:
            yield from ((row, None) for row in next(iter(lists.values())))
            return
    yield from ((row, None) for row in _columns(value) or _by_id(value) or [value])


def _is_rows(value: Any) -> bool:
    """A list of objects that are no turns."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, dict) and not {"role", "from"} & row.keys() for row in value[:20])
    )


def _table(value: dict[str, Any]) -> list[Any] | None:
    """The rows of a table as pandas writes it with orient="split": names, and rows of cells."""
    names, rows = value.get("columns"), value.get("data")
    if not isinstance(names, list) or not isinstance(rows, list) or not names or not rows:
        return None
    if not value.keys() <= {"columns", "data", "index", "index_names", "column_names"}:
        return None
    if any(not isinstance(row, list) or len(row) != len(names) for row in rows):
        return None
    return [dict(zip(map(str, names), row, strict=True)) for row in rows]


def _viewed(value: dict[str, Any]) -> list[Any] | None:
    """The rows of an answer of the Hugging Face viewer, which has the features beside them."""
    rows = value.get("rows")
    return rows if "features" in value and _is_rows(rows) else None


def _columns(value: Any) -> list[Any] | None:
    """The rows of an object that holds columns, as `datasets` and pandas write them: lists of one
    length, or objects with the same numbers of rows as keys."""
    if not isinstance(value, dict) or not value:
        return None
    columns = list(value.values())
    first = columns[0]
    if len(value) > 1 and all(isinstance(column, list) for column in columns):
        turns = any(isinstance(c[0], dict) and {"role", "from"} & c[0].keys() for c in columns if c)
        if len(first) < 2 or turns or any(len(column) != len(first) for column in columns):
            return None
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    if all(isinstance(column, dict) and column for column in columns):
        numbered = all(str(key).isdigit() for key in first)
        if numbered and all(column.keys() == first.keys() for column in columns):
            return [{name: column[key] for name, column in value.items()} for key in first]
    return None


def _by_id(value: Any) -> list[Any] | None:
    """The rows of an object that has them under their ids."""
    if not isinstance(value, dict) or len(value) < 2:
        return None
    rows = list(value.values())
    if not all(isinstance(row, dict) for row in rows) or Finder().find(rows[0]) is None:
        return None
    return rows


class _Text:
    """A window of a file's text that grows at its end and is dropped at its start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_bytes(path)
        self._pieces = pieces(self._file, _FIRST_BYTES, BLOCK_BYTES)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.text = ""
        self.ended = False
        # Where the window begins in the document: its line, and the column, both from 0.
        self.line = 0
        self.column = 0
        self._bytes = 0
        # Lines are counted on from here.
        self._counted, self._at = 0, 0
        self.grow()
        if self.text.startswith("\ufeff"):
            self.text = self.text[1:]

    def grow(self, at_least: int = 0) -> bool:
        """Read on; false when there is no more."""
        added = 0
        while not self.ended and added <= at_least:
            piece = next(self._pieces, None)
            try:
                more = self._decoder.decode(piece or b"", final=piece is None)
            except UnicodeDecodeError as error:
                at = self._bytes + error.start
                raise self.broken(
                    f"byte {at + 1} is {error.object[error.start]:#04x}: not UTF-8", None
                ) from error
            self.ended = piece is None
            self._bytes += len(piece or b"")
            self.text += more
            added += max(1, len(more))
        return added > 0

    def line_at(self, at: int) -> int:
        """The line (from 1) of a place behind the one that was asked for last."""
        self._counted += self.text.count("\n", self._at, at)
        self._at = at
        return self.line + self._counted + 1

    def drop(self, count: int) -> None:
        self._counted, self._at = 0, 0
        lines = self.text.count("\n", 0, count)
        self.line += lines
        self.column = count - self.text.rfind("\n", 0, count) - 1 if lines else self.column + count
        self.text = self.text[count:]

    def between(self, start: int, end: int) -> str:
        return self.text[start:end]

    def close(self) -> None:
        self._file.close()

    def broken(self, said: str, at: int | None) -> Problem:
        if at is not None:
            before = self.text[:at]
            lines = before.count("\n")
            column = at - before.rfind("\n") - 1 if lines else self.column + at
            said = f"{said} at line {self.line + lines + 1}, column {column + 1}"
        return Problem(
            f"{self.path} is not whole JSON",
            why=said,
            cure="repair the file; or write one JSON object a line (JSONL), where each line is "
            "checked by itself",
        )


class _Value(NamedTuple):
    """A value of a document: whether it stands outside of an array, what was odd about it, the line
    on which it begins, and what gives its text until the next one is asked for."""

    value: Any
    alone: bool
    note: Wrong | None
    line: int
    text: Callable[[], str]
    size: int


def _values(path: Path) -> Iterator[_Value]:
    constants: list[str] = []
    # append gives None, which is what NaN is read as.
    decoder = json.JSONDecoder(parse_constant=constants.append)
    window = _Text(path)
    try:
        at = _skip(window, 0)
        array = window.text[at : at + 1] == "["
        at = _skip(window, at + 1) if array else at
        while True:
            here = window.text[at : at + 1]
            if not here:
                if array:
                    raise window.broken("the text ends within the array", None)
                return
            if array and here == "]":
                after = _skip(window, at + 1)
                if after < len(window.text):
                    raise window.broken("more text after the array", after)
                return
            start, line = at, window.line_at(at)
            value, at = _decode(decoder, window, at)
            end, at = at, _skip(window, at)
            comma = array and window.text[at : at + 1] == ","
            if comma:
                at = _skip(window, at + 1)
            note = None
            if constants:
                odd = f"JSON with {constants[0]}, read as null"
                note = Wrong("row", odd, "JSON", "json.loose")
                constants.clear()
            elif comma and window.text[at : at + 1] == "]":
                note = Wrong("row", "a comma after the last value", "JSON", "json.loose")
            text = partial(window.between, start, end)
            yield _Value(value, not array, note, line, text, end - start)
            if array and not comma and window.text[at : at + 1] not in ("]", ""):
                raise window.broken("expected , or ]", at)
            if at > BLOCK_BYTES:
                window.drop(at)
                at = 0
    finally:
        window.close()


def _skip(window: _Text, at: int) -> int:
    while True:
        while at < len(window.text) and window.text[at] in _SPACE:
            at += 1
        if at < len(window.text) or not window.grow():
            return at


def _decode(decoder: json.JSONDecoder, window: _Text, at: int) -> tuple[Any, int]:
    while True:
        try:
            value, end = decoder.raw_decode(window.text, at)
        except json.JSONDecodeError as error:
            cut = error.msg.startswith("Unterminated") or error.pos > len(window.text) - _MARGIN
            if not cut or not window.grow(len(window.text) - at):
                raise window.broken(error.msg.lower(), error.pos) from error
        except (RecursionError, ValueError) as error:
            raise window.broken(str(error), at) from error
        else:
            # A number may go on in the next piece.
            if end < len(window.text) or not window.grow():
                lone = HALF.search(window.text, at, end)
                return (without_halves(value) if lone else value), end
        if len(window.text) - at > _MOST_WRAPPER:
            raise window.broken(f"one value has over {_MOST_WRAPPER >> 20} MB", None)
