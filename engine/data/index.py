"""Rows of a data set by number, at once, whatever its size: a seek index, never the rows.

Plain JSONL is read where it lies. What cannot be sought (compressed files, tables, arrays) is
written once, row by row, to an unnamed temporary file that goes with the process.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunewright.engine.data.example import Place
from tunewright.engine.data.readers.block import Block, RawRow, Wrong
from tunewright.engine.data.readers.opened import open_bytes, unreadable
from tunewright.engine.data.sources import Source
from tunewright.engine.data.stored import unwritten
from tunewright.engine.files import unnamed_file

# After so many rows or bytes the place in the file is noted: 16 bytes for each, and no more is read
# to find a row, however long its neighbours are.
STEP, FAR = 32, 1 << 20
# A row of so many bytes is noted for itself: whoever decodes it holds up others.
LONG = 128 << 10
# Rows between two calls of `grown`.
_TELL = 20_000


class _Part(NamedTuple):
    """The rows of one file from number `first` on; `offsets` and `lines` of some of them, which
    are the `rows`th of the file."""

    source: Source
    first: int
    rows: array[int]
    offsets: array[int]
    lines: array[int]
    spool: Any
    # Bytes of rows that are `LONG`.
    long: dict[int, int]


class RawText(NamedTuple):
    """A row as its bytes, or where they are in a file, so that any process may decode it."""

    line: int
    text: bytes = b""
    spooled: bool = False
    path: str = ""
    offset: int = 0
    length: int = 0

    def decoded(self) -> RawRow:
        """The row; what is wrong with it where the file is shorter by now."""
        text = self.text
        if self.path:
            with Path(self.path).open("rb") as file:
                text = os.pread(file.fileno(), self.length, self.offset)
        if not self.spooled:
            whole = text if self.offset else text.removeprefix(_BOM)
            return next(Block(self.line, whole).rows(), RawRow(self.line, None, _GONE))
        line, value, wrong, note, row = msgspec.json.decode(text)
        told = [None if one is None else Wrong(*one) for one in (wrong, note)]
        return RawRow(line, value, told[0], told[1], row)


_GONE = Wrong("row", "nothing: the file is shorter by now", "a row")
_BOM = b"\xef\xbb\xbf"


class RowIndex:
    """Rows numbered from 0 over all `sources`, blank lines left out, as `Inspection` numbers them.

    One thread may `build` while another reads what is there already.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self.stopped = False
        self.built = False
        self._parts: list[_Part] = []
        self._firsts: list[int] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def build(self, grown: Callable[[], None] = lambda: None) -> None:
        """Index every row. `grown` is called now and then, when there are more; a `Problem` when a
        file cannot be read, or the disk has no room for what is no file of rows."""
        for source in self.sources:
            spool = None if source.container == "jsonl" and _is_plain(source) else _spool()
            part = _Part(source, self._count, array("I"), array("Q"), array("I"), spool, {})
            self._parts.append(part)
            self._firsts.append(part.first)
            rows = _plain_rows(source) if spool is None else _spooled(source, spool)
            here = 0
            try:
                for offset, line, length in rows:
                    long = length >= LONG
                    if long:
                        part.long[here] = length
                    if (
                        not here
                        or long
                        or here - part.rows[-1] >= STEP
                        or offset - part.offsets[-1] > FAR
                    ):
                        part.offsets.append(offset)
                        part.lines.append(line)
                        # Last, since it is what a reader looks for.
                        part.rows.append(here)
                    here += 1
                    # A row of the spool is there to be read when the next one is written.
                    self._count = part.first + here
                    if here % _TELL == 0:
                        grown()
                        if self.stopped:
                            return
            except OSError as error:
                raise unreadable(source.path, error) from error
        self.built = True
        grown()

    def row(self, number: int) -> tuple[Place, RawRow]:
        """The row and where it stands; an `IndexError` for a number that is not indexed (yet)."""
        part, here = self._part(number)
        found = _text(part, here).decoded()
        return found.place(str(part.source.path)), found

    def text(self, number: int) -> RawText:
        """A row that is not decoded yet."""
        return _text(*self._part(number))

    def long(self, number: int) -> int | None:
        """The bytes of a row that is `LONG`, None for any other."""
        part, here = self._part(number)
        return part.long.get(here)

    def source(self, number: int) -> Source:
        """The file of a row."""
        return self._part(number)[0].source

    def _part(self, number: int) -> tuple[_Part, int]:
        if not 0 <= number < self._count:
            raise IndexError(number)
        part = self._parts[bisect_right(self._firsts, number) - 1]
        return part, number - part.first

    def search(self, text: str, most: int) -> list[int]:
        """Numbers of the first `most` rows whose JSON holds `text`, whatever its case. Letters that
        JSON may write as escapes are found in both forms."""
        low = text.lower()
        plain = low.encode()
        escaped = msgspec.json.encode(low).decode()[1:-1].encode("ascii", "backslashreplace")
        found: list[int] = []
        for part in self._parts:
            for number, line in enumerate(_lines(part), part.first):
                if number >= self._count or self.stopped:
                    break
                said = line.decode(errors="replace").lower().encode()
                if plain in said or escaped in said:
                    found.append(number)
                    if len(found) >= most:
                        return found
        return found


# So much is compared with what the reader makes of it.
_PEEK = 64 << 10


def _is_plain(source: Source) -> bool:
    """Whether the bytes on disk are the rows, a line each."""
    with source.path.open("rb") as file:
        head = file.read(_PEEK)
    with open_bytes(source.path) as opened:
        as_they_lie = opened.read(_PEEK) == head
    return as_they_lie and source.holds_rows


def _plain_rows(source: Source) -> Iterator[tuple[int, int, int]]:
    """(offset, line, bytes) of every row that is not blank."""
    offset = 0
    with source.path.open("rb", buffering=1 << 20) as file:
        for line, text in enumerate(file, 1):
            if not text.isspace():
                yield offset, line, len(text)
            offset += len(text)


def _spool() -> Any:
    try:
        return unnamed_file("tunewright-rows-")
    except OSError as error:
        raise unwritten(error) from error


def _spooled(source: Source, spool: Any) -> Iterator[tuple[int, int, int]]:
    """Write the rows as JSON lines of [line, value, wrong, note, row]; (offset, line, bytes) of
    each."""
    offset = 0
    for block in source.blocks():
        encoded = [(row.line, msgspec.json.encode(row) + b"\n") for row in block.rows()]
        try:
            spool.write(b"".join(text for _, text in encoded))
            spool.flush()
        except OSError as error:
            # Not the file that is read.
            raise unwritten(error) from error
        for line, text in encoded:
            yield offset, line, len(text)
            offset += len(text)


def _text(part: _Part, here: int) -> RawText:
    noted = bisect_right(part.rows, here) - 1
    skip = here - part.rows[noted]
    offset, line = part.offsets[noted], part.lines[noted]
    if part.spool is None:
        if here in part.long:
            path = str(part.source.path)
            return RawText(line, path=path, offset=offset, length=part.long[here])
        return _plain_text(part.source, offset, line, skip)
    # Another file position than the writer's: pread leaves that where it is.
    for _ in range(skip + 1):
        text, offset = _line_at(part.spool.fileno(), offset)
    return RawText(line, text, spooled=True)


def _line_at(file: int, offset: int) -> tuple[bytes, int]:
    """The line at an offset, and the offset after it."""
    pieces = []
    while piece := os.pread(file, 1 << 16, offset):
        end = piece.find(b"\n") + 1
        pieces.append(piece[:end] if end else piece)
        offset += len(pieces[-1])
        if end:
            break
    return b"".join(pieces), offset


def _plain_text(source: Source, offset: int, line: int, skip: int) -> RawText:
    with source.path.open("rb") as file:
        file.seek(offset)
        while text := file.readline():
            if not text.isspace():
                if not skip:
                    return RawText(line, text, offset=offset)
                skip -= 1
            line += 1
            # Only where the file begins may a byte order mark stand.
            offset += len(text)
    return RawText(line, offset=offset)


def _lines(part: _Part) -> Iterator[bytes]:
    if part.spool is None:
        with part.source.path.open("rb", buffering=1 << 20) as file:
            yield from (line for line in file if not line.isspace())
        return
    offset = 0
    while True:
        text, offset = _line_at(part.spool.fileno(), offset)
        if not text:
            return
        yield text
