"""A JSON document that is not one row a line: an array, objects one after the other, or an object
that holds the rows. Values are decoded one at a time; the document is never whole in memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tunewright.engine.data.readers.block import BLOCK_BYTES, Block, RawRow, Wrong
from tunewright.engine.data.readers.opened import CutOff, open_bytes, pieces
from tunewright.hardware.errors import Problem

# Rows a block; a document of fewer is one block.
_ROWS = 2000
_FIRST_BYTES = 256 << 10
# An error so far before the end of what has been read is no cut, but broken JSON.
_MARGIN = 64 << 10
# An object around all rows has to be read whole.
_MOST_WRAPPER = 512 << 20
_SPACE = " \t\r\n"
# Half of a pair of surrogates is no character; it cannot be written again.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# The fields under which exports keep their rows, and datasets-server each single row.
_WRAPPERS = ("data", "rows", "examples", "train", "items", "conversations", "instances")


def read_blocks(path: Path) -> Iterator[Block]:
    """Blocks of rows; the row's number stands for the line. A `Problem` when the document is not
    whole JSON, a `file.cut` row when a compressed file is not whole."""
    made: list[RawRow] = []
    first = 1
    for row in _rows(path):
        made.append(row)
        if len(made) >= _ROWS:
            yield Block(first, made=tuple(made))
            first, made = first + len(made), []
    if made:
        yield Block(first, made=tuple(made))


def _rows(path: Path) -> Iterator[RawRow]:
    number = 0
    values = _values(path)
    try:
        for value, alone in values:
            for one in _unwrapped(value) if alone else (value,):
                number += 1
                yield RawRow(number, one)
    except CutOff as cut:
        wrong = Wrong("file", str(cut), "a whole compressed file", "file.cut")
        yield RawRow(number + 1, None, wrong)


def _unwrapped(value: Any) -> list[Any]:
    """The rows of an object that holds them; else the object as the only row."""
    if not isinstance(value, dict):
        return [value]
    for name in _WRAPPERS:
        rows = value.get(name)
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            if name == "conversations" and not {"messages", "conversations"} & rows[0].keys():
                continue
            if rows[0].keys() >= {"row_idx", "row"}:
                return [row.get("row") for row in rows]
            return rows
    return [value]


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

    def drop(self, count: int) -> None:
        lines = self.text.count("\n", 0, count)
        self.line += lines
        self.column = count - self.text.rfind("\n", 0, count) - 1 if lines else self.column + count
        self.text = self.text[count:]

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


def _not_a_number(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _values(path: Path) -> Iterator[tuple[Any, bool]]:
    """(value, whether it stands outside of an array) of each value, in order."""
    decoder = json.JSONDecoder(parse_constant=_not_a_number)
    window = _Text(path)
    try:
        at = _skip(window, 0)
        array = window.text[at : at + 1] == "["
        at = _skip(window, at + 1) if array else at
        count = 0
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
            value, at = _decode(decoder, window, at)
            count += 1
            yield value, not array
            at = _skip(window, at)
            if array and window.text[at : at + 1] == ",":
                at = _skip(window, at + 1)
                if window.text[at : at + 1] == "]":
                    raise window.broken("a value is missing", at)
            elif array and window.text[at : at + 1] not in ("]", ""):
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
                lone = _SURROGATE.search(window.text, at, end)
                return (_without_halves(value) if lone else value), end
        if len(window.text) - at > _MOST_WRAPPER:
            raise window.broken(f"one value has over {_MOST_WRAPPER >> 20} MB", None)


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_halves(inner) for inner in value]
    if isinstance(value, dict):
        return {_without_halves(key): _without_halves(inner) for key, inner in value.items()}
    return value
