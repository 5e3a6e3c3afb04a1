"""Rows in a wrapper: the fields of a row stand in one object of a record (the requests of a
batch), or in two, what was asked and what was answered (LangSmith)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tunewright.engine.data.readers.block import RawRow, Wrong
from tunewright.engine.data.shapes import strangers
from tunewright.engine.data.shapes.find import HALVES, WRAPPERS, Finder


def find(values: list[Any]) -> Callable[..., Iterator[RawRow]] | None:
    """How to take such rows out; None when records are rows already, or hold nothing that is."""
    finder = Finder()
    if any(finder.find(value) is not None or strangers.known(value) for value in values):
        return None
    for value in values:
        opened = _opened(value)
        if opened is not None and finder.find(opened) is not None:
            return lambda rows, line_of: _rows(rows)
    return None


def _opened(value: Any) -> dict[str, Any] | None:
    """The fields of a record with those of the objects in it; None where it has no such object, or
    where one name would stand for two things."""
    if not isinstance(value, dict):
        return None
    halves = HALVES if all(isinstance(value.get(name), dict) for name in HALVES) else ()
    names = halves or [name for name in WRAPPERS if isinstance(value.get(name), dict)][:1]
    opened = {key: inner for key, inner in value.items() if key not in names}
    for name in names:
        if opened.keys() & value[name].keys() and halves:
            return None
        opened |= value[name]
    return opened if names else None


def _rows(rows: Iterator[RawRow]) -> Iterator[RawRow]:
    for raw in rows:
        opened = _opened(raw.value) if raw.wrong is None else None
        if opened is None:
            yield raw
            continue
        note = Wrong("row", "fields within an object", "the fields of the row", "rows.nested")
        yield raw._replace(value=opened, note=raw.note or note)
