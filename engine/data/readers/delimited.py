"""CSV and TSV: the first row names the fields, or is a row itself; cells that hold JSON become what
they hold."""

from __future__ import annotations

import ast
import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.data.readers.block import BLOCK_BYTES, MOST_ROW_BYTES, Block, RawRow, Wrong
from tunewright.engine.data.readers.opened import CutOff, open_bytes
from tunewright.engine.data.shapes.written import is_said
from tunewright.hardware.errors import Problem

_ROWS = 2000
# More columns than this are a matrix, not rows of text.
MOST_COLUMNS = 10_000
_DELIMITERS = ",\t;|"
_NAME = 80
_HEAD = 256 << 10
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")
_MOST_LITERAL = 1 << 20
# Excel's own line: which character divides the cells.
_SEP = re.compile(rb"\"?sep=([,;|\t])\"?\r?\n", re.IGNORECASE)
# Text of which so many lines are no UTF-8, and none with such bytes is, is Windows-1252.
_FEWEST_LINES = 3


def read_blocks(path: Path) -> Iterator[Block]:
    """Blocks of rows. The line is that on which a row begins, as quoted cells may hold newlines.

    A first row that names nothing is a row, and the columns are column_1, column_2 and so on. A
    `Problem` for a header that is none: empty or repeated names, or over 10,000 columns.
    """
    csv.field_size_limit(MOST_ROW_BYTES)
    made: list[RawRow] = []
    lines = _Lines(path)
    for row in _rows(path, lines):
        made.append(row)
        if len(made) >= _ROWS or lines.taken > BLOCK_BYTES:
            yield Block(made[0].line, made=tuple(made))
            made, lines.taken = [], 0
    if made:
        yield Block(made[0].line, made=tuple(made))


def _rows(path: Path, lines: _Lines) -> Iterator[RawRow]:
    reader = csv.reader(lines, delimiter=lines.delimiter, strict=True)
    names: list[str] | None = None
    headless = False
    while True:
        line = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            wrong = Wrong("row", str(error), "cells in quotes, quotes doubled", "csv.broken")
            yield RawRow(line, None, wrong)
            continue
        except UnicodeDecodeError as error:
            told = f"byte {error.object[error.start]:#04x}: not UTF-8"
            yield RawRow(lines.number, None, Wrong("row", told, "UTF-8 text", "encoding.broken"))
            continue
        except (CutOff, EOFError, OSError) as cut:
            wrong = Wrong("file", str(cut), "a whole compressed file", "file.cut")
            yield RawRow(lines.number + 1, None, wrong)
            return
        if not cells:
            continue
        if names is None:
            if not _is_first_row(cells):
                names = _header(path, cells)
                continue
            names, headless = [f"column_{at}" for at in range(1, len(cells) + 1)], True
        if len(cells) != len(names):
            told = f"{len(cells)} cells"
            wrong = Wrong("row", told, f"{len(names)}, as the first row names", "csv.cells")
            yield RawRow(line, None, wrong)
        else:
            row = {name: _value(cell, name) for name, cell in zip(names, cells, strict=True)}
            yield RawRow(line, row, None, lines.take_note() or (_HEADLESS if headless else None))


class _Lines:
    """Lines of a file as text, one by one, so that one line of broken bytes loses that line only;
    a quoted cell that never ends takes no more than a row's bytes."""

    def __init__(self, path: Path) -> None:
        with open_bytes(path) as file:
            try:
                head = file.read(_HEAD)
            except (CutOff, EOFError, OSError):
                head = b""
        self._file = open_bytes(path)
        self.number = 0
        # Bytes of rows that are held.
        self.taken = 0
        self._foreign = _is_cp1252(head)
        self._odd = False
        head = head.removeprefix(codecs.BOM_UTF8)
        sep = _SEP.match(head)
        self.delimiter = sep[1].decode() if sep else delimiter_of(path, head)
        if sep:
            self._file.readline()
            self.number = 1

    def take_note(self) -> Wrong | None:
        """What was odd about the lines since the last call."""
        odd, self._odd = self._odd, False
        if not odd:
            return None
        return Wrong("row", "Windows-1252", "UTF-8 text", "encoding.other")

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MOST_ROW_BYTES)
        if not line:
            self._file.close()
            raise StopIteration
        self.number += 1
        self.taken += len(line)
        if len(line) == MOST_ROW_BYTES and not line.endswith(b"\n"):
            # No row of text: a bomb, or a file of another kind.
            self._file.close()
            raise CutOff(f"a line of over {MOST_ROW_BYTES >> 20} MB; nothing after it is read")
        if self.number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if b"\0" in line:
            raise UnicodeDecodeError(
                "utf-8", line, line.index(b"\0"), line.index(b"\0") + 1, "null"
            )
        if self._foreign and not line.isascii():
            self._odd = True
            return line.decode("cp1252")
        return line.decode()


def _is_cp1252(head: bytes) -> bool:
    """Whether a file is in the encoding that Excel writes on Windows. A few broken lines among good
    UTF-8 are broken."""
    bad = 0
    for line in head.split(b"\n")[:-1]:
        if line.isascii():
            continue
        try:
            line.decode()
        except UnicodeDecodeError:
            try:
                line.decode("cp1252")
            except UnicodeDecodeError:
                return False
            bad += 1
        else:
            return False
    return bad >= _FEWEST_LINES


def delimiter_of(path: Path, head: bytes) -> str:
    """Tab for a .tsv, else what divides the first line into most cells."""
    if ".tsv" in path.suffixes:
        return "\t"
    line = head.split(b"\n", 1)[0].decode(errors="replace")
    return max(_DELIMITERS, key=line.count)


# A table whose first row is one like the others.
_HEADLESS = Wrong("row", "no names of the columns", "names in the first row", "csv.header")


def _is_first_row(cells: list[str]) -> bool:
    """Whether the first row says something instead of naming columns: it has a text that is too
    long for a name, or a number (pandas names columns 0, 1, 2 itself)."""
    if len(cells) > MOST_COLUMNS or not all(cell.strip() for cell in cells):
        return False
    if any(len(cell) > _NAME or "\n" in cell for cell in cells):
        return True
    numbered = [cell.strip() for cell in cells] == [str(at) for at in range(len(cells))]
    return not numbered and any(_NUMBER.fullmatch(cell.strip()) for cell in cells)


def _header(path: Path, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if len(names) > MOST_COLUMNS:
        why = f"it has {len(names):,} columns; rows of text have a few"
    elif twice:
        why = f"the first row names {twice[0][:60]!r} {names.count(twice[0])} times"
    elif not all(names) and any(names[1:]) and not names[0]:
        # pandas writes its index under an empty name.
        return ["index", *names[1:]]
    elif not all(names):
        why = "a column has no name in the first row"
    else:
        return names
    raise Problem(
        f"{path} has no header that names its columns",
        why=why,
        cure="write the names of the fields into the first row, e.g. prompt,completion",
    )


def _value(cell: str, name: str) -> Any:
    """A cell that holds a JSON object or array is that, unless it is what somebody said; numbers
    stay text, as nothing says that "007" is one."""
    start = cell[:1]
    if start in ("[", "{") and len(cell) > 1:
        try:
            value = msgspec.json.decode(cell.encode())
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            value = _python_value(cell)
        return cell if is_said(name, value) else value
    return cell


def _python_value(cell: str) -> Any:
    """Lists and objects as pandas writes them into cells: in Python's quotes."""
    if "'" not in cell[:3] or len(cell) > _MOST_LITERAL:
        return cell
    try:
        return ast.literal_eval(cell)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return cell
