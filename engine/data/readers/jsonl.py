"""JSON Lines, in blocks of whole lines; what is no JSON is told by line, never raised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tunewright.engine.data.readers.block import (
    BLOCK_BYTES,
    MOST_PASSED,
    MOST_ROW_BYTES,
    Block,
    RawRow,
    Wrong,
)
from tunewright.engine.data.readers.opened import CutOff, open_bytes, pieces

_BOM = b"\xef\xbb\xbf"
# The first block is small, so that something can be shown at once.
_FIRST_BYTES = 256 << 10


def read_blocks(path: Path) -> Iterator[Block]:
    """Blocks of lines. A byte order mark, CRLF and blank lines are fine."""
    line, started = 1, False
    held: list[bytes] = []
    holding = 0
    passing = False
    with open_bytes(path) as file:
        try:
            for piece in pieces(file, _FIRST_BYTES, BLOCK_BYTES):
                if not started:
                    piece, started = piece.removeprefix(_BOM), True
                end = piece.rfind(b"\n") + 1
                if not end:
                    holding += len(piece)
                    passing = passing or holding > MOST_ROW_BYTES
                    if holding > MOST_PASSED:
                        yield _too_long(line, MOST_PASSED, "; nothing after it is read")
                        return
                    if passing:
                        held.clear()
                    else:
                        held.append(piece)
                    continue
                if passing:
                    first_end = piece.find(b"\n") + 1
                    yield _too_long(line)
                    line += 1
                    passing, lines = False, piece[first_end:end]
                else:
                    lines = b"".join((*held, piece[:end]))
                if lines:
                    yield Block(line, lines)
                    line += lines.count(b"\n")
                held, holding = [piece[end:]], len(piece) - end
        except CutOff as cut:
            yield Block(line, b"".join(held))
            wrong = Wrong("file", str(cut), "a whole compressed file", "file.cut")
            yield Block(line, made=(RawRow(line, None, wrong),))
            return
    if passing:
        yield _too_long(line)
    elif any(held):
        yield Block(line, b"".join(held))


def _too_long(line: int, most: int = MOST_ROW_BYTES, more: str = "") -> Block:
    found = f"a line of over {most >> 20} MB{more}"
    wrong = Wrong("row", found, "a row of text", "row.huge")
    return Block(line, made=(RawRow(line, None, wrong),))
