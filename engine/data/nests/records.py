"""Records that hold rows in a list, at any depth: SQuAD's questions of paragraphs of articles,
self-instruct's instances of an instruction. A row has the fields of all records around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tunewright.engine.data.readers.block import RawRow, Wrong
from tunewright.engine.data.shapes import strangers
from tunewright.engine.data.shapes.find import Finder
from tunewright.engine.data.shapes.ranked import LISTS

# Lists within lists: SQuAD has two.
_DEEPEST = 4
# So many lists of one record are tried.
_MOST_LISTS = 20


def find(values: list[Any]) -> Callable[..., Iterator[RawRow]] | None:
    """How to take the rows out of such records; None when most of them are rows already."""
    finder = Finder()
    # Of what is known to be no row, the parts are none either.
    if any(finder.find(value) is not None or strangers.known(value) for value in values):
        return None
    for value in values:
        path = _path(value, {}, finder)
        if path:
            return lambda rows, line_of: _rows(rows, line_of, path)
    return None


def _path(value: Any, around: dict[str, Any], finder: Finder) -> tuple[str, ...]:
    """The names of the lists, from the outermost, that lead to rows of a known shape."""
    for name, inner in list(value.items())[:_MOST_LISTS]:
        if not _is_records(inner):
            continue
        outside = {**around, **{key: v for key, v in value.items() if key != name}}
        first = inner[0]
        bound = finder.find({**outside, **first})
        if name in LISTS and bound is not None and "label" in bound.names.values():
            # Candidates to answer one prompt, and what somebody said of each: no class of a text.
            continue
        # The shape has to come from what is inside.
        if bound is not None and any(key in first for key in bound.names.values()):
            return (name,)
        if len(around) < _DEEPEST * 20 and (more := _path(first, outside, finder)):
            return (name, *more)
    return ()


def _is_records(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], dict)
        and not {"role", "from"} & value[0].keys()
    )


def _rows(
    rows: Iterator[RawRow], line_of: Callable[[Any], int | None], path: tuple[str, ...]
) -> Iterator[RawRow]:
    number = 0
    told = "a part of " + "".join(f"{name}[]." for name in path).rstrip(".")
    note = Wrong("row", told, "one row a record", "rows.nested")
    for raw in rows:
        if raw.wrong is not None or not isinstance(raw.value, dict):
            number += 1
            yield raw._replace(row=number)
            continue
        for value, inner in _within(raw.value, path):
            number += 1
            line = raw.line if inner is None else (line_of(inner) or raw.line)
            yield RawRow(
                line, value, None, raw.note or (note if inner is not None else None), number
            )


def _within(value: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[dict[str, Any], Any]]:
    """(row, the object that it was made of or None for a record that is none) of a record."""
    name, *rest = path
    inside = value.get(name)
    if not isinstance(inside, list):
        yield value, None
        return
    outside = {key: inner for key, inner in value.items() if key != name}
    for inner in inside:
        if not isinstance(inner, dict):
            yield {**outside, name: inner}, None
        elif rest and isinstance(inner.get(rest[0]), list):
            yield from (
                ({**outside, **row}, at or inner) for row, at in _within(inner, tuple(rest))
            )
        else:
            yield {**outside, **inner}, inner
