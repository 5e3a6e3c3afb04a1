"""Plain text and Markdown: a line is a row of a single text file, a document one of a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tunewright.engine.data.readers.block import (
    BLOCK_BYTES,
    MOST_PASSED,
    MOST_ROW_BYTES,
    Block,
    RawRow,
    Wrong,
)
from tunewright.engine.data.readers.opened import CutOff, open_bytes

_ROWS = 2000
# YAML between two lines of dashes, at the beginning.
_HEAD = re.compile(
    r"---[ \t]*\r?\n((?:[\w-]+:.*\n|[ \t#-].*\n|\r?\n){1,200}?)---[ \t]*(?:\r?\n|\Z)"
)


def read_lines(path: Path) -> Iterator[Block]:
    """Each line that is not blank as {"text": …}, as `datasets` reads text files."""
    made: list[RawRow] = []
    size = 0
    with open_bytes(path) as file:
        number = 0
        try:
            while line := file.readline(MOST_ROW_BYTES):
                number += 1
                if len(line) == MOST_ROW_BYTES and not line.endswith(b"\n"):
                    found = f"a line of over {MOST_ROW_BYTES >> 20} MB"
                    ends = _pass_over(file)
                    found += "" if ends else "; nothing after it is read"
                    wrong = Wrong("row", found, "a text in parts", "row.huge")
                    made.append(RawRow(number, None, wrong))
                    if not ends:
                        break
                    continue
                if line.isspace():
                    continue
                made.append(_row(number, line))
                size += len(line)
                if len(made) >= _ROWS or size > BLOCK_BYTES:
                    yield Block(made[0].line, made=tuple(made))
                    made, size = [], 0
        except (CutOff, EOFError, OSError) as cut:
            wrong = Wrong("file", str(cut), "a whole compressed file", "file.cut")
            made.append(RawRow(number + 1, None, wrong))
    if made:
        yield Block(made[0].line, made=tuple(made))


def _pass_over(file: IO[bytes]) -> bool:
    """Go to the end of a line; false where it is the file's, or too far off to be one."""
    for _ in range(MOST_PASSED // MOST_ROW_BYTES):
        more = file.readline(MOST_ROW_BYTES)
        if not more or more.endswith(b"\n"):
            return bool(more)
    return False


def read_document(path: Path) -> Iterator[Block]:
    """The whole file as one row."""
    with open_bytes(path) as file:
        try:
            text = b""
            while piece := file.read(BLOCK_BYTES):
                text += piece
                if len(text) > MOST_ROW_BYTES:
                    told = f"a document of over {MOST_ROW_BYTES >> 20} MB"
                    wrong = Wrong("file", told, "a text in parts", "row.huge")
                    yield Block(1, made=(RawRow(1, None, wrong),))
                    return
        except (CutOff, EOFError, OSError) as cut:
            wrong = Wrong("file", str(cut), "a whole compressed file", "file.cut")
            yield Block(1, made=(RawRow(1, None, wrong),))
            return
    if text.strip():
        yield Block(1, made=(_without_head(_row(1, text.removeprefix(b"\xef\xbb\xbf"))),))


def _without_head(row: RawRow) -> RawRow:
    """The document, and what Markdown tells about itself in front of it as a field of its own."""
    found = None if row.value is None else _HEAD.match(row.value["text"])
    if found is None or not row.value["text"][found.end() :].strip():
        return row
    text = row.value["text"][found.end() :].strip("\r\n")
    return row._replace(value={"text": text, "front_matter": found[1]})


def _row(number: int, text: bytes) -> RawRow:
    try:
        return RawRow(number, {"text": text.decode().strip("\r\n")})
    except UnicodeDecodeError as error:
        told = f"byte {error.start + 1} is {text[error.start]:#04x}: not UTF-8"
        return RawRow(number, None, Wrong("text", told, "UTF-8 text", "encoding.broken"))
