"""role=THEIRS:OURS: what a speaker is called."""

from __future__ import annotations

from typing import Any

from tunewright.engine.data.fixes.fix import Applied, Before, Change, Dropped, Fix, Row
from tunewright.engine.data.fixes.trim import turn_fields
from tunewright.engine.data.shapes.items import speaker_key
from tunewright.engine.data.shapes.turns import ROLES, listed
from tunewright.hardware.errors import Problem


def _make(value: str) -> Applied:
    old, colon, new = value.partition(":")
    if not (old and colon and new in ROLES):
        raise Problem(
            f"role={value} makes no sense",
            why=f"it takes a role of your file and one of {', '.join(sorted(set(ROLES.values())))}",
            cure="--fix role=narrator:system",
        )

    def apply(row: Row, before: Before) -> tuple[Any, list[Change]] | Dropped:
        if not isinstance(row.value, dict):
            return row.value, []
        changes: list[Change] = []
        renamed = dict(row.value)
        lists = (key for key, value in row.value.items() if isinstance(value, list))
        for field in dict.fromkeys((*turn_fields(row), *lists)):
            turns = listed(row.value.get(field))
            if isinstance(turns, list):
                known = len(changes)
                turns = [_turn(turn, f"{field}[{at}]", changes) for at, turn in enumerate(turns)]
                if len(changes) > known:
                    renamed[field] = turns
        return renamed, changes

    def _turn(turn: Any, field: str, changes: list[Change]) -> Any:
        if isinstance(turn, dict):
            key = speaker_key(turn)
            if isinstance(turn.get(key), str) and turn[key].strip().lower() == old.strip().lower():
                changes.append(Change(f"{field}.{key}", f"{turn[key]} is {new}"))
                return {**turn, key: new}
        return turn

    return apply


FIX = Fix("role", "role=THEIRS:OURS", "call a speaker by another role", _make)
