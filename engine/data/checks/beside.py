"""What a row teaches beside what is said in it: reasoning, the arguments of calls, the tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tunewright.engine.data.example import Message
from tunewright.engine.data.shapes.find import Bound
from tunewright.engine.data.shapes.shape import Normal

# What a turn calls its reasoning.
_REASONING = ("reasoning_content", "reasoning", "thinking")
# Objects within each other further than this hold no text that somebody wrote.
_DEEPEST = 50


def texts_beside(normal: Normal, bound: Bound | None) -> list[tuple[str, str]]:
    """(field, text) of each; none for most rows, which is told by a look at their turns. A value of
    an object is given with its name, as it is the name that tells a password."""
    found: list[tuple[str, str]] = []
    for messages, fields in (
        (normal.messages, normal.fields),
        (normal.chosen, normal.chosen_fields),
        (normal.rejected, normal.rejected_fields),
    ):
        for at, message in enumerate(messages):
            if message.reasoning is not None or message.tool_calls:
                found += _of_turn(message, fields[at], bound)
    if normal.tools:
        names = {} if bound is None else bound.names
        found += leaves(normal.tools, names.get("tools", "tools"))
    return found


def _of_turn(message: Message, field: str, bound: Bound | None) -> Iterator[tuple[str, str]]:
    turn = field[: field.rindex("]") + 1] if "]" in field else ""
    if message.reasoning is not None:
        own = None if bound is None else bound.names.get("thought")
        yield f"{turn}.{_REASONING[0]}" if turn else own or field, message.reasoning
    for index, call in enumerate(message.tool_calls):
        at = f"{turn}.tool_calls[{index}].function.arguments" if turn else field
        yield from leaves(call.arguments, at)


def leaves(value: Any, field: str, name: str = "", deep: int = 0) -> Iterator[tuple[str, str]]:
    """(field, text) of every text and whole number within objects and lists, the names of objects
    included; each as `name: text` where it has a name."""
    if isinstance(value, dict) and deep < _DEEPEST:
        for key, inner in value.items():
            yield from leaves(inner, f"{field}.{key}", str(key), deep + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str) and deep < _DEEPEST:
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{field}[{index}]", name, deep + 1)
    elif isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        yield field, named(name, str(value))


def named(name: str, text: str) -> str:
    """A text as it is looked at where an object calls it `name`."""
    return f"{name}: {text}" if name else text
