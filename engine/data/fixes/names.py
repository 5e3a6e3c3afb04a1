"""names=MODEL: replace what a spaCy model takes for names of people by [NAME]."""

from __future__ import annotations

from typing import Any

from tunewright.engine.data.fixes.fix import Applied, Before, Change, Dropped, Fix, Row
from tunewright.engine.data.fixes.texts import map_texts
from tunewright.engine.data.people import people, tagger
from tunewright.hardware.errors import Problem


def _make(value: str) -> Applied:
    if not value:
        raise Problem(
            "names need a model that tells them",
            why="what is a name cannot be told by its form",
            cure="--fix names=en_core_web_sm, or the folder of another spaCy model",
        )
    tagger(value)

    def apply(row: Row, before: Before) -> tuple[Any, list[Change]] | Dropped:
        changes: list[Change] = []

        def change(field: str, text: str) -> str:
            [found] = people([text], value)
            changes.extend(Change(field, "name replaced") for _ in found)
            parts: list[str] = []
            at = 0
            for start, end in found:
                parts += (text[at:start], "[NAME]")
                at = end
            return "".join((*parts, text[at:]))

        return map_texts(row.value, row.looked, change), changes

    return apply


FIX = Fix("names", "names=MODEL", "replace names of people that a spaCy model tells", _make)
