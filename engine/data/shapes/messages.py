"""messages: turns with role and content, as OpenAI and TRL have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.shape import Names, Normal, Parsed, Shape
from tunewright.engine.data.shapes.turns import parse_tools, parse_turns

_NAMES = ("messages", "conversation", "conversations", "chat", "dialog", "dialogue", "turns")


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    for name in _NAMES:
        if name not in row or (name == "conversations" and _is_sharegpt(row[name])):
            continue
        turns = row[name]
        if name == "messages":
            return {"messages": name, **_tools(row)}, 1.0
        if isinstance(turns, list) and turns and isinstance(turns[0], dict) and "role" in turns[0]:
            return {"messages": name, **_tools(row)}, 0.9
    return None


def _is_sharegpt(turns: Any) -> bool:
    return not (
        isinstance(turns, list) and turns and isinstance(turns[0], dict) and "role" in turns[0]
    )


def _tools(row: Mapping[str, Any]) -> dict[str, str]:
    found = next((name for name in ("tools", "functions") if name in row), None)
    return {} if found is None else {"tools": found}


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    turns = parse_turns(row.get(names["messages"]), names["messages"])
    if isinstance(turns, list):
        return turns
    tools = parse_tools(row.get(names["tools"]), names["tools"]) if "tools" in names else ()
    if isinstance(tools, Wrong):
        return [tools]
    return Normal("conversation", *turns, tools)


SHAPE = Shape(
    name="messages",
    kind="conversation",
    title="turns with role and content",
    needs=("messages",),
    reads=("messages", "tools", "functions"),
    turns=("messages",),
    bind=_bind,
    parse=_parse,
)
