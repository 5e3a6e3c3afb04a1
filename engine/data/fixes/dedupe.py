"""dedupe: keep the first of rows that say the same; near: nearly the same; prompt: ask the same."""

from __future__ import annotations

from typing import Any

from tunewright.engine.data.fixes.fix import Applied, Before, Change, Dropped, Fix, Row
from tunewright.hardware.errors import Problem

_WAYS = {
    "": ("duplicate.exact",),
    "exact": ("duplicate.exact",),
    "near": ("duplicate.exact", "duplicate.near"),
    "prompt": ("prompt.repeat",),
}


def _make(value: str) -> Applied:
    ids = _first_look(value)

    def apply(row: Row, before: Before) -> tuple[Any, list[Change]] | Dropped:
        for id in ids:
            first = before.repeats.get(id, {}).get(row.number)
            if first is not None:
                return Dropped(f"{id} of row {first + 1}")
        return row.value, []

    return apply


def _first_look(value: str) -> tuple[str, ...]:
    if value not in _WAYS:
        raise Problem(
            f"dedupe={value} makes no sense",
            why="it takes exact, near or prompt",
            cure="--fix dedupe=near",
        )
    return _WAYS[value]


FIX = Fix("dedupe", "dedupe[=near|prompt]", "keep the first of equal rows", _make, _first_look)
