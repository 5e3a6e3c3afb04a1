"""ShareGPT: `conversations` of turns with from and value, perhaps with system and tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.example import Message
from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.shape import Names, Normal, Parsed, Shape, told
from tunewright.engine.data.shapes.turns import Turns, parse_tools, parse_turns


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    for name in ("conversations", "conversation", "dialogue", "dialog", "messages"):
        turns = row.get(name)
        if isinstance(turns, list) and turns and isinstance(turns[0], dict) and "from" in turns[0]:
            names = {"conversations": name}
            names |= {key: key for key in ("system", "tools") if key in row}
            return names, 1.0 if name == "conversations" else 0.9
    if "conversations" in row and "chosen" not in row:
        return {"conversations": "conversations"}, 0.5
    return None


def parse_conversation(row: Mapping[str, Any], names: Names, ends: str) -> Turns | list[Wrong]:
    """The turns with the row's system text, if it has one, before them."""
    field = names["conversations"]
    turns = parse_turns(row.get(field), field, ends)
    if isinstance(turns, list):
        return turns
    system = row.get(names["system"]) if "system" in names else None
    if system is None or system == "":
        return turns
    if not isinstance(system, str):
        return [Wrong(names["system"], told(system), "text or nothing")]
    if turns.messages[0].role == "system":
        # Both say the same thing, or the turn is the nearer one.
        return turns
    return Turns((Message("system", system), *turns.messages), (names["system"], *turns.fields))


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    turns = parse_conversation(row, names, "assistant")
    if isinstance(turns, list):
        return turns
    tools = parse_tools(row.get("tools"), "tools") if "tools" in names else ()
    if isinstance(tools, Wrong):
        return [tools]
    return Normal("conversation", *turns, tools)


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
