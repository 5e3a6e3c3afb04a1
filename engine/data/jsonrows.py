"""A file to its JSON values, each with its line; lines that are no JSON are told, not raised."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.data.fingerprint import unreadable
from tunewright.engine.data.formats import Wrong
from tunewright.hardware.errors import Problem

Rows = list[tuple[int, Any]]

_BOM = b"\xef\xbb\xbf"
# msgspec tells the offset (in bytes, from 0) at the end of its message.
_OFFSET = re.compile(r" \(byte (\d+)\)$")
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# Signatures of what people pass by mistake: one clear sentence instead of a page of broken rows.
_NOT_TEXT = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "a zip archive",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "Parquet",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def read_rows(path: Path) -> tuple[Rows, list[tuple[int, Wrong]]]:
    """(line, value) of each row, and (line, what is wrong) of the lines that are no JSON.

    Lines count from 1; in a JSON array the row's number stands for the line. A byte order mark,
    CRLF and blank lines are fine. A `Problem` when the file cannot be read, is no text, or is an
    array that is not whole.
    """
    blob = _read(path)
    for mark, kind in _NOT_TEXT.items():
        if blob.startswith(mark):
            raise Problem(
                f"{path} is {kind}, not UTF-8 text",
                why=f"its first bytes are {mark.hex(' ')}",
                cure="unpack or convert it: UTF-8, one JSON object a line or a JSON array",
            )
    blob = blob.removeprefix(_BOM)
    if blob.lstrip()[:1] == b"[":
        return _array(path, blob), []
    rows: Rows = []
    broken: list[tuple[int, Wrong]] = []
    for number, line in enumerate(blob.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append((number, msgspec.json.decode(line)))
        except _BROKEN as error:
            broken.append((number, Wrong("row", _said(line, error), "one JSON object a line")))
    return rows, broken


def _read(path: Path) -> bytes:
    try:
        # A pipe would wait for a writer, and its rows could not be read a second time.
        if path.exists() and not path.is_file() and not path.is_dir():
            raise Problem(
                f"{path} is not a regular file",
                why="data is read more than once: to check it, to train on it, to replay",
                cure="write the rows to a file and name that",
            )
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def _array(path: Path, blob: bytes) -> Rows:
    try:
        found: list[Any] = msgspec.json.decode(blob)
    except _BROKEN as error:
        raise Problem(
            f"{path} is not whole JSON",
            why=_said(blob, error),
            cure="repair the file; or write one JSON object a line (JSONL), where each line is "
            "checked by itself",
        ) from error
    return list(enumerate(found, 1))


def _said(text: bytes, error: Exception) -> str:
    """What is wrong and where: the column in characters from 1, and the line if there are many."""
    try:
        text.decode()
    except UnicodeDecodeError as bad:
        place, byte = _place(text, bad.start), text[bad.start]
        return f"byte {bad.start + 1}, {place}, is {byte:#04x}: not UTF-8"
    said = str(error)
    offset = _OFFSET.search(said)
    if offset is None:
        # Nesting too deep, or text that ends too early: there is no place to point at.
        return said
    reason = said[: offset.start()].removeprefix("JSON is malformed: ")
    return f"{reason} at {_place(text, int(offset[1]))}"


def _place(text: bytes, offset: int) -> str:
    before = text[:offset]
    start = before.rfind(b"\n") + 1
    column = f"column {len(before[start:].decode(errors='replace')) + 1}"
    if b"\n" not in text:
        return column
    line = before.count(b"\n") + 1
    return f"line {line}, {column}"
