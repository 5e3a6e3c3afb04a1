"""CSV and TSV: the first row names the fields; cells that hold JSON become what they hold."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.data.readers.block import MOST_ROW_BYTES, Block, RawRow, Wrong
from tunewright.engine.data.readers.opened import CutOff, open_bytes
from tunewright.hardware.errors import Problem

_ROWS = 2000
# More columns than this are a matrix, not rows of text.
MOST_COLUMNS = 10_000
_DELIMITERS = ",\t;|"


def read_blocks(path: Path) -> Iterator[Block]:
    """Blocks of rows. The line is that on which a row ends, as quoted cells may hold newlines.

    A `Problem` for a header that is none: empty or repeated names, or over 10,000 columns.
    """
    csv.field_size_limit(MOST_ROW_BYTES)
    made: list[RawRow] = []
    for row in _rows(path):
        made.append(row)
        if len(made) >= _ROWS:
            yield Block(made[0].line, made=tuple(made))
            made = []
    if made:
        yield Block(made[0].line, made=tuple(made))


def _rows(path: Path) -> Iterator[RawRow]:
    lines = _Lines(path)
    head = lines.first
    reader = csv.reader(lines, delimiter=delimiter_of(path, head), strict=True)
    names: list[str] | None = None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            wrong = Wrong("row", str(error), "cells in quotes, quotes doubled", "csv.broken")
            yield RawRow(reader.line_num, None, wrong)
            continue
        except UnicodeDecodeError as error:
            told = f"byte {error.object[error.start]:#04x}: not UTF-8"
            yield RawRow(lines.number, None, Wrong("row", told, "UTF-8 text", "encoding.broken"))
            continue
        except (CutOff, EOFError, OSError) as cut:
            wrong = Wrong("file", str(cut), "a whole compressed file", "file.cut")
            yield RawRow(reader.line_num + 1, None, wrong)
            return
        if not cells:
            continue
        if names is None:
            names = _header(path, cells)
        elif len(cells) != len(names):
            told = f"{len(cells)} cells"
            wrong = Wrong("row", told, f"{len(names)}, as the first row names", "csv.cells")
            yield RawRow(reader.line_num, None, wrong)
        else:
            row = {name: _value(cell) for name, cell in zip(names, cells, strict=True)}
            yield RawRow(reader.line_num, row)


class _Lines:
    """Lines of a file as text, one by one, so that one line of broken bytes loses that line only;
    a quoted cell that never ends takes no more than a row's bytes."""

    def __init__(self, path: Path) -> None:
        self._file = open_bytes(path)
        self.number = 0
        self.first = (
            self._file.peek(4096)[:4096] if isinstance(self._file, io.BufferedReader) else b""
        )

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MOST_ROW_BYTES)
        if not line:
            self._file.close()
            raise StopIteration
        self.number += 1
        if self.number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if b"\0" in line:
            raise UnicodeDecodeError(
                "utf-8", line, line.index(b"\0"), line.index(b"\0") + 1, "null"
            )
        return line.decode()


def delimiter_of(path: Path, head: bytes) -> str:
    """Tab for a .tsv, else what divides the first line into most cells."""
    if ".tsv" in path.suffixes:
        return "\t"
    line = head.split(b"\n", 1)[0].decode(errors="replace")
    return max(_DELIMITERS, key=line.count)


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


def _value(cell: str) -> Any:
    """A cell that holds a JSON object or array is that; numbers stay text, as nothing says that
    "007" is one."""
    start = cell[:1]
    if start in ("[", "{") and len(cell) > 1:
        try:
            return msgspec.json.decode(cell.encode())
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return cell
    return cell
