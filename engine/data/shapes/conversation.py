"""A row whose turns stand in one field: what `messages` and ShareGPT have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.example import Message
from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.calls import parse_tools
from tunewright.engine.data.shapes.shape import Names, Normal, Parsed, told
from tunewright.engine.data.shapes.turns import Turns, parse_turn, parse_turns

_SYSTEM = ("system", "system_prompt", "systemInstruction", "system_instruction")
_TOOLS = ("tools", "functions")
_ANSWERS = ("answer", "response", "completion")
_THOUGHT = ("reasoning", "reasoning_content")


def beside(row: Mapping[str, Any]) -> dict[str, str]:
    """The names of what stands beside the turns: the system text, and the tools."""
    found = {}
    for ours, names in (("system", _SYSTEM), ("tools", _TOOLS), ("answer", _ANSWERS)):
        name = next((name for name in names if name in row), None)
        if name is not None:
            found[ours] = name
    return found


def parse_conversation(row: Mapping[str, Any], names: Names, turns: str) -> Parsed:
    """The turns of the field that `names` gives as `turns`, which end with an answer."""
    at = names[turns]
    parsed = with_system(row, names, row.get(at), at, "assistant")
    if isinstance(parsed, list):
        if "answer" not in names or parsed[0].id not in ("answer.missing", "answer.last"):
            return parsed
        # The turns are what was asked, and the answer has a column of its own.
        asked = with_system(row, names, row.get(at), at, "user")
        answer = parse_turn(
            {"role": "assistant", "content": row.get(names["answer"])}
            | {key: row.get(key) for key in _THOUGHT},
            names["answer"],
        )
        if isinstance(asked, list) or not isinstance(answer, Message):
            return parsed
        parsed = Turns((*asked.messages, answer), (*asked.fields, names["answer"]))
    tools = parse_tools(row.get(names["tools"]), names["tools"]) if "tools" in names else ()
    if isinstance(tools, Wrong):
        return [tools]
    return Normal("conversation", *parsed, tools)


def with_system(
    row: Mapping[str, Any], names: Names, turns: Any, field: str, ends: str
) -> Turns | list[Wrong]:
    """Turns with the row's system text, if it has one, before them."""
    parsed = parse_turns(turns, field, ends)
    if isinstance(parsed, list):
        return parsed
    at = names.get("system", "")
    system = system_text(row.get(at)) if at else None
    if system is None or system == "":
        return parsed
    if not isinstance(system, str):
        return [Wrong(at, told(system), "text or nothing")]
    if parsed.messages[0].role == "system":
        # Both say the same thing, or the turn is the nearer one.
        return parsed
    return Turns((Message("system", system), *parsed.messages), (at, *parsed.fields))


def system_text(value: Any) -> Any:
    """The text of a system prompt, which some APIs have in parts."""
    parts = value.get("parts") if isinstance(value, dict) else value
    if isinstance(parts, list) and all(isinstance(part, dict) for part in parts):
        texts = [part.get("text") for part in parts]
        if all(isinstance(text, str) for text in texts):
            return "".join(texts)
    return value
