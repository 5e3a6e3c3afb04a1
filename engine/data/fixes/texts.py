"""Walking the texts of a row that its shape reads, to change some of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tunewright.engine.data.checks.check import Looked
from tunewright.engine.data.shapes.calls import decoded
from tunewright.engine.data.shapes.find import root_of
from tunewright.engine.data.shapes.written import turns_in

Changed = Callable[[str, str], str]
# (field, name, text) -> the text changed. `name`: what an object calls this value, where that may
# say what it is, as "password" does among the arguments of a call; else "".
ChangedNamed = Callable[[str, str, str], str]


def map_texts(
    value: Any, looked: Looked, change: Changed, change_named: ChangedNamed | None = None
) -> Any:
    """The row with `change(field, text)` in place of every text that is read; fields that no shape
    reads (numbers of rows, sources) are left alone. All are changed where the shape is unknown.
    `change_named` is asked in its stead where the name of a value counts, and is given whole
    numbers and the names of objects too, as texts."""
    if not isinstance(value, dict):
        return value
    read, tools = None, "tools"
    if looked.bound is not None:
        shape, names = looked.bound.shape, looked.bound.names
        read = {*names.values(), *map(root_of, names.values()), *shape.reads}
        tools = names.get("tools", "tools")
    walk = _Walk(change, change_named)
    return {
        key: walk.field(inner, str(key), key == tools) if read is None or key in read else inner
        for key, inner in value.items()
    }


def _written(text: str, value: Any, new: Any) -> str:
    """JSON text with its new value, spaced as it was; the very same text where nothing changed."""
    if new == value:
        return text
    blob = msgspec.json.encode(new)
    return (msgspec.json.format(blob, indent=0) if '": ' in text else blob).decode()


# What names things in a turn or a call, and is no text that anybody wrote; an answer that is an
# object may have fields of these names too.
_TURN = ("role", "from", "type", "id", "tool_call_id", "tool_use_id", "name")
_CALL = ("type", "id", "name")
# The arguments of a call, and the schema of those that a tool takes: nothing in there names a turn.
_ARGUMENTS = ("arguments", "parameters", "input", "args", "input_schema")
_SAID = ("content", "value", "text", "parts", "message", "tool_calls", "function_call")


def _kept(value: dict[Any, Any]) -> tuple[str, ...]:
    if ("role" in value or "from" in value) and any(name in value for name in _SAID):
        return _TURN
    if "function" in value or ("name" in value and any(name in value for name in _ARGUMENTS)):
        return _CALL
    return ("type", "tool_use_id") if value.get("type") in _PARTS else ()


_PARTS = ("text", "tool_use", "tool_result", "thinking", "reasoning", "input_text", "output_text")


class _Walk:
    def __init__(self, change: Changed, change_named: ChangedNamed | None) -> None:
        self._change = change
        self._named = change_named

    def field(self, value: Any, field: str, tools: bool) -> Any:
        """A field of the row; turns and tools that it holds as JSON text are walked as such."""
        if isinstance(value, str):
            inner = decoded(value) if tools else turns_in(value)
            if isinstance(inner, (list, dict)):
                return _written(value, inner, self._inner(inner, field, "", False))
        return self._inner(value, field, "", False)

    def _inner(self, value: Any, field: str, name: str, free: bool) -> Any:
        """`free`: within the arguments of a call, where nothing names a turn."""
        if isinstance(value, str):
            return self._text(field, name, value)
        if isinstance(value, list):
            return [self._inner(v, f"{field}[{at}]", name, free) for at, v in enumerate(value)]
        if isinstance(value, dict):
            return self._object(value, field, free)
        if self._named is not None and isinstance(value, int) and not isinstance(value, bool):
            # The number of a card without quotes; what takes its place is text.
            new = self._named(field, name, str(value))
            return value if new == str(value) else new
        return value

    def _object(self, value: dict[Any, Any], field: str, free: bool) -> dict[Any, Any]:
        kept = () if free else _kept(value)
        new: dict[Any, Any] = {}
        for key, inner in value.items():
            name = key
            if not kept and self._named is not None and isinstance(key, str):
                name = self._named(field, "", key)
                while name in new:
                    name += "_"
            at = f"{field}.{name}"
            if key in kept and not isinstance(inner, (dict, list)):
                new[name] = inner
            elif not free and key in _ARGUMENTS and "name" in value:
                new[name] = self._arguments(inner, at)
            else:
                new[name] = self._inner(inner, at, "" if kept else str(name), free)
        return new

    def _arguments(self, value: Any, field: str) -> Any:
        """Arguments as an object, or as the JSON text of one: they stay JSON."""
        if isinstance(value, str):
            inner = decoded(value)
            if isinstance(inner, (dict, list)):
                return _written(value, inner, self._inner(inner, field, "", True))
        return self._inner(value, field, "", True)

    def _text(self, field: str, name: str, text: str) -> str:
        if self._named is not None:
            return self._named(field, name, text)
        return self._change(field, text)
