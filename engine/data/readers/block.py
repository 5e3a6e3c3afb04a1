"""What every reader yields: rows with their places, a few megabytes at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from tunewright.engine.data.readers.broken import BROKEN, said_of

# Bytes of a block: enough that a process pool has work, little enough that ten may wait.
BLOCK_BYTES = 2 << 20
# A line longer than this is no row of text; it is passed over and told.
MOST_ROW_BYTES = 256 << 20


class Wrong(NamedTuple):
    """One field that is not as expected; `id` is the finding that it becomes."""

    field: str
    found: str
    expected: str
    id: str = "field.type"


class RawRow(NamedTuple):
    """One row as the file has it: its line, and its value, or what is wrong with the line."""

    line: int
    value: Any
    wrong: Wrong | None = None


class Block(msgspec.Struct, frozen=True):
    """Consecutive rows of one file: as raw `lines` of JSON from line `first` on (decoded by
    whoever takes the block, so that this happens in parallel), or as `made` rows."""

    first: int
    lines: bytes = b""
    made: tuple[RawRow, ...] = ()

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
                yield RawRow(line, None, broken_line(text, error))
            else:
                yield RawRow(line, value)


def broken_line(text: bytes, error: Exception) -> Wrong:
    """A line that is no JSON, and where it stops being it."""
    try:
        text.decode()
        id = "json.broken"
    except UnicodeDecodeError:
        id = "encoding.broken"
    return Wrong("row", said_of(text, error), "one JSON object a line", id)
