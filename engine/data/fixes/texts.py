"""Walking the texts of a row that its shape reads, to change some of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tunewright.engine.data.checks.check import Looked
from tunewright.engine.data.shapes.find import root_of

Changed = Callable[[str, str], str]


def map_texts(value: Any, looked: Looked, change: Changed) -> Any:
    """The row with `change(field, text)` in place of every text that is read; fields that no shape
    reads (numbers of rows, sources) are left alone. All are changed where the shape is unknown."""
    if not isinstance(value, dict):
        return value
    read = None
    if looked.bound is not None:
        names = looked.bound.names.values()
        read = {*names, *map(root_of, names), *looked.bound.shape.reads}
    return {
        key: _map(inner, str(key), change) if read is None or key in read else inner
        for key, inner in value.items()
    }


# What names things in a turn, and is no text that anybody wrote.
_NAMES = ("role", "from", "type", "id", "tool_call_id", "name")


def _map(value: Any, field: str, change: Changed) -> Any:
    if isinstance(value, str):
        return change(field, value)
    if isinstance(value, list):
        return [_map(inner, f"{field}[{at}]", change) for at, inner in enumerate(value)]
    if isinstance(value, dict):
        return {
            key: inner if key in _NAMES else _map(inner, f"{field}.{key}", change)
            for key, inner in value.items()
        }
    return value
