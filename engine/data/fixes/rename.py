"""rename=OLD:NEW: give a field another name."""

from __future__ import annotations

from typing import Any

from tunewright.engine.data.fixes.fix import Applied, Before, Change, Dropped, Fix, Row
from tunewright.hardware.errors import Problem


def _make(value: str) -> Applied:
    old, colon, new = value.partition(":")
    if not (old and colon and new):
        raise Problem(
            f"rename={value} makes no sense",
            why="it takes the old and the new name of a field",
            cure="--fix rename=question:prompt",
        )

    def apply(row: Row, before: Before) -> tuple[Any, list[Change]] | Dropped:
        if not isinstance(row.value, dict) or old not in row.value:
            return row.value, []
        if new in row.value:
            raise Problem(
                f"row {row.looked.number} has {new!r} already",
                why=f"{old!r} cannot take its name without overwriting it",
                cure=f"rename that first: --fix rename={new}:{new}_old --fix rename={value}",
            )
        renamed = {new if key == old else key: inner for key, inner in row.value.items()}
        return renamed, [Change(old, f"renamed to {new}")]

    return apply


FIX = Fix("rename", "rename=OLD:NEW", "give a field another name", _make)
