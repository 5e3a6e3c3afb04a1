"""What is wrong with JSON that does not decode, and where: line and column."""

from __future__ import annotations

import re

import msgspec

BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# msgspec tells the offset (in bytes, from 0) at the end of its message.
_OFFSET = re.compile(r" \(byte (\d+)\)$")


def said_of(text: bytes, error: Exception) -> str:
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
