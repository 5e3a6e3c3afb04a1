"""ShareGPT: `conversations` of turns with from and value, perhaps with system and tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.shapes.conversation import beside, parse_conversation
from tunewright.engine.data.shapes.shape import Names, Parsed, Shape
from tunewright.engine.data.shapes.turns import is_pair


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    for name in ("conversations", "conversation", "dialogue", "dialog", "messages", "items"):
        turns = row.get(name)
        if isinstance(turns, dict) and isinstance(turns.get("from"), list):
            return {"conversations": name, **beside(row)}, 0.9
        if isinstance(turns, list) and turns and isinstance(turns[0], dict) and "from" in turns[0]:
            return {"conversations": name, **beside(row)}, 1.0 if name == "conversations" else 0.9
    if "conversations" in row and "chosen" not in row and not _told_otherwise(row):
        return {"conversations": "conversations", **beside(row)}, 0.5
    return None


def _told_otherwise(row: Mapping[str, Any]) -> bool:
    """Turns that say what they are in another way than ShareGPT's."""
    turns = row["conversations"]
    first = turns[0] if isinstance(turns, list) and turns else None
    if isinstance(turns, dict):
        return "role" in turns
    return isinstance(first, str) or (
        isinstance(first, dict) and ("role" in first or is_pair(first))
    )


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    return parse_conversation(row, names, "conversations")


SHAPE = Shape(
    name="sharegpt",
    kind="conversation",
    title="turns with from and value (ShareGPT)",
    needs=("conversations",),
    reads=("conversations", "system", "tools"),
    turns=("conversations",),
    bind=_bind,
    parse=_parse,
)
