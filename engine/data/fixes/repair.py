"""repair=mojibake: read text that was decoded as Windows-1252 or Latin-1 as the UTF-8 it is."""

from __future__ import annotations

import re
from typing import Any

from tunewright.engine.data.checks.encoding import MOJIBAKE
from tunewright.engine.data.fixes.fix import Applied, Before, Change, Dropped, Fix, Row
from tunewright.engine.data.fixes.texts import map_texts
from tunewright.hardware.errors import Problem

# A run of what such misreading gives: letters and signs from the upper half of both tables.
_RUN = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0178\u02c6\u02dc\u2013-\u2122]{1,3}")


def _make(value: str) -> Applied:
    if value not in ("", "mojibake"):
        raise Problem(
            f"repair={value} makes no sense", why="it takes mojibake", cure="--fix repair=mojibake"
        )

    def apply(row: Row, before: Before) -> tuple[Any, list[Change]] | Dropped:
        changes: list[Change] = []

        def change(field: str, text: str) -> str:
            new = repaired(text)
            if new != text:
                changes.append(Change(field, "decoded anew"))
            return new

        return map_texts(row.value, row.looked, change), changes

    return apply


def repaired(text: str) -> str:
    """The text with each misread run as it was; runs that are no UTF-8 stay."""
    return _RUN.sub(_again, text) if MOJIBAKE.search(text) else text


def _again(found: re.Match[str]) -> str:
    run = found[0]
    for end in range(len(run), 1, -1):
        try:
            blob = b"".join(_byte(char) for char in run[:end])
            return blob.decode() + run[end:]
        except (UnicodeDecodeError, UnicodeEncodeError):
            continue
    return run


def _byte(char: str) -> bytes:
    """The byte that Windows-1252, or where it has none Latin-1, reads as this character."""
    try:
        return char.encode("cp1252")
    except UnicodeEncodeError:
        return char.encode("latin-1")


FIX = Fix("repair", "repair=mojibake", "decode text anew that was decoded wrongly", _make)
