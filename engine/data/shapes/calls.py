"""Calls of tools and the tools themselves, in every spelling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tunewright.engine.data.example import Message, ToolCall
from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.shape import told

CALLS = ("function_call", "tool_call", "function-call", "tool-call", "tool_calls")


def call_turn(content: Any, at: str) -> Message | Wrong:
    """ShareGPT's turn that is a call: JSON text with name and arguments, or a list of such."""
    value = content
    if isinstance(content, str):
        text = content.strip().removeprefix("<tool_call>").removesuffix("</tool_call>")
        try:
            value = msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            told_error = str(error).removeprefix("JSON is malformed: ")
            return Wrong(at, f"no JSON: {told_error}", "a call as JSON", "call.broken")
    calls = calls_of(value if isinstance(value, list) else [value], at)
    return calls if isinstance(calls, Wrong) else Message("assistant", "", None, calls)


def tool_calls_of(turn: Mapping[str, Any], at: str) -> tuple[ToolCall, ...] | Wrong:
    listed = turn.get("tool_calls")
    if isinstance(listed, str):
        # As a cell of a table holds them.
        listed = decoded(listed) if listed.strip() else None
    if listed:
        if not isinstance(listed, list):
            return Wrong(f"{at}.tool_calls", told(listed), "a list of calls", "call.broken")
        return calls_of(listed, f"{at}.tool_calls")
    old = turn.get("function_call")
    return calls_of([old], f"{at}.function_call") if old else ()


def calls_of(found: list[Any], at: str) -> tuple[ToolCall, ...] | Wrong:
    calls = []
    for index, one in enumerate(found):
        inner = one.get("function", one) if isinstance(one, dict) else one
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            expected = "a call with name and arguments"
            return Wrong(f"{at}[{index}]", told(one), expected, "call.broken")
        names = ("arguments", "parameters", "args")
        arguments: Any = next((inner[name] for name in names if name in inner), {})
        if arguments is None or (isinstance(arguments, str) and not arguments.strip()):
            # A function that takes none is called with nothing.
            arguments = {}
        if isinstance(arguments, str):
            # OpenAI writes the arguments as JSON in a string; templates want the object.
            try:
                arguments = msgspec.json.decode(arguments.encode("utf-8", "surrogatepass"))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                told_text = told(arguments)
                field = f"{at}[{index}].arguments"
                return Wrong(field, told_text, "arguments as a JSON object", "call.broken")
        id = one.get("id")
        calls.append(ToolCall(inner["name"], arguments, id if isinstance(id, str) else None))
    return tuple(calls)


def written_calls(text: str) -> tuple[ToolCall, ...]:
    """The calls that an answer is, written as JSON; none where it is anything else."""
    bare = text.strip()
    if bare[:1] not in ("[", "{"):
        return ()
    try:
        value = msgspec.json.decode(bare.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) and "arguments" in one for one in listed):
        return ()
    calls = calls_of(listed, "")
    return () if isinstance(calls, Wrong) else calls


def parse_tools(value: Any, field: str) -> tuple[dict[str, Any], ...] | Wrong:
    """Schemas of functions: a list, one, or JSON text of either; nothing is none."""
    if isinstance(value, str):
        if not value.strip():
            return ()
        try:
            value = msgspec.json.decode(value.encode("utf-8", "surrogatepass"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Wrong(field, told(value), "tools as JSON", "tools.broken")
    if not value:
        return ()
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(tool, dict) for tool in listed):
        return Wrong(field, told(value), "a list of tools", "tools.broken")
    return tuple(
        tool if "function" in tool else {"type": "function", "function": tool} for tool in listed
    )


def decoded(text: str) -> Any:
    """Turns that a table holds as JSON text."""
    try:
        return msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return text
