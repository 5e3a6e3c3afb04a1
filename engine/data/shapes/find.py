"""Which shape rows have. The order is from the most telling fields to the least."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes import (
    alpaca,
    annotated,
    choices,
    classes,
    dialogue,
    kto,
    messages,
    preference,
    prompt_completion,
    ranked,
    rendered,
    reward,
    sharegpt,
    strangers,
    text,
    threads,
    translation,
)
from tunewright.engine.data.shapes.shape import Names, Parsed, Shape, told
from tunewright.engine.data.shapes.suggest import suggested
from tunewright.engine.data.shapes.turns import TURN
from tunewright.hardware.errors import Problem

SHAPES: tuple[Shape, ...] = (
    preference.SHAPE,
    ranked.SHAPE,
    annotated.SHAPE,
    threads.SHAPE,
    choices.SHAPE,
    kto.SHAPE,
    reward.SHAPE,
    sharegpt.SHAPE,
    messages.SHAPE,
    alpaca.SHAPE,
    rendered.SHAPE,
    translation.SHAPE,
    prompt_completion.SHAPE,
    dialogue.SHAPE,
    classes.SHAPE,
    text.SHAPE,
)
# Objects whose own keys say what shape a row has.
_OPENED = (
    "translation",
    "data",
    "fields",
    "question",
    "messages",
    "conversations",
    "output",
    "response",
    "completion",
)
# Objects in which the fields of a row stand, and those which hold one half of them each: rows are
# taken out of these, and paths through them stay good.
WRAPPERS = ("body", "record", "sample", "example", "item", "_source", "payload")
HALVES = ("inputs", "outputs")
# Signatures of rows that are remembered; rows of a sane set have a handful.
_MOST_SIGNATURES = 4096


class Bound(NamedTuple):
    """A shape under the names that rows give its fields; `sure` of it from 0 to 1."""

    shape: Shape
    names: Names
    sure: float

    @property
    def said(self) -> str:
        """The fields in the row's own names."""
        return " and ".join(self.names.get(need, need) for need in self.shape.needs)

    def unread(self, row: Mapping[str, Any]) -> list[str]:
        """Fields of a row that nothing is made of, those of its turns as `messages[].weight`."""
        named = [*self.names.values(), *filter(None, map(_unwrapped, self.names.values()))]
        read = {*self.shape.reads, *named, *map(root_of, named)}
        found = [str(key) for key in row if key not in read]
        for field in {self.names.get(turn, turn) for turn in self.shape.turns}:
            turns = row.get(field)
            if isinstance(turns, dict) and len(turns.get("replies") or ()) > 1:
                found.append(f"{field}.replies but the best")
            if isinstance(turns, list):
                keys = (key for turn in turns if isinstance(turn, dict) for key in turn)
                found += dict.fromkeys(f"{field}[].{key}" for key in keys if key not in TURN)
        return found


class Finder:
    """Finds the shape of rows; remembers it by their keys and types, as looking costs time.

    `asked`: "auto", the name of a shape, or with its fields, as in
    `prompt_completion:prompt=q,completion=a`.
    """

    def __init__(self, asked: str = "auto") -> None:
        self.asked = asked
        self._forced, self._names = _parse_asked(asked)
        self._known: dict[tuple[Any, ...], Bound | None] = {}

    def find(self, row: Any) -> Bound | None:
        """The shape of one row, None when it has none that is known (or asked for)."""
        if not isinstance(row, dict) or not row:
            return None
        signature = _signature(row)
        try:
            return self._known[signature]
        except KeyError:
            found = self._look(row)
            if len(self._known) < _MOST_SIGNATURES:
                self._known[signature] = found
            return found

    def _look(self, row: Mapping[str, Any]) -> Bound | None:
        if self._forced is not None:
            if self._names:
                return Bound(self._forced, self._names, 1.0)
            bound = self._forced.bind(row)
            return None if bound is None else Bound(self._forced, *bound)
        if strangers.known(row) is not None:
            return None
        for shape in SHAPES:
            bound = shape.bind(row)
            if bound is not None:
                return Bound(shape, *bound)
        return None


def _signature(row: Mapping[str, Any]) -> tuple[Any, ...]:
    parts: list[Any] = []
    for key, value in row.items():
        kind = type(value)
        parts += (key, kind)
        if kind is list and value:
            first = value[0]
            parts.append(tuple(first) if isinstance(first, dict) else type(first))
            if key in ranked.LISTS:
                parts.append(ranked.is_judged(first))
        elif kind is dict:
            parts.append("replies" in value or "messages" in value or "text" in value)
            if key in _OPENED:
                parts.append(tuple(value))
        elif kind is str and key in dialogue.DIALOGUES:
            parts.append(dialogue.is_dialogue(value))
        if kind is str and key in rendered.RENDERED:
            parts.append(rendered.is_rendered(value))
        if key in kto.LABELS:
            parts.append(kto.is_label(value))
        elif kind is str and key in reward.SCORES:
            parts.append(reward.is_number(value))
    return tuple(parts)


def shape_named(name: str) -> Shape:
    """The shape of that name; a `Problem` when there is none."""
    for shape in SHAPES:
        if shape.name == name:
            return shape
    raise Problem(
        f"there is no data format {name!r}",
        why=f"the formats are {', '.join(shape.name for shape in SHAPES)}",
        cure="name one with --format, or leave it at auto",
    )


def _parse_asked(asked: str) -> tuple[Shape | None, dict[str, str]]:
    if asked == "auto":
        return None, {}
    name, _, fields = asked.partition(":")
    shape = shape_named(name)
    names: dict[str, str] = {}
    for pair in filter(None, fields.split(",")):
        ours, equals, theirs = pair.partition("=")
        if not equals or ours not in (*shape.needs, *shape.reads):
            raise Problem(
                f"{pair!r} names no field of {name}",
                why=f"its fields are {', '.join(dict.fromkeys((*shape.needs, *shape.reads)))}",
                cure=f"--format {name}:{shape.needs[0]}=THE_NAME_IN_YOUR_FILE",
            )
        names[ours] = theirs
    if names:
        names = {need: need for need in shape.needs} | names
        if shape.kind in ("labelled", "scored"):
            names["inner"] = "prompt_completion"
    return shape, names


def missing(row: Any, shape: Shape | None) -> Wrong:
    """What a row lacks to be of that shape, or of any."""
    has = ", ".join(str(key)[:40] for key in list(row)[:6]) if isinstance(row, dict) else told(row)
    stranger = strangers.known(row) if isinstance(row, dict) else None
    if stranger is not None:
        return Wrong("row", f"{stranger.what} ({has})", stranger.cure, "shape.stranger")
    if shape is None:
        known = "; ".join(f"{s.name} ({', '.join(s.needs)})" for s in SHAPES)
        expected = f"{suggested(row)}, or one of {known}"
        return Wrong("row", f"only {has or 'nothing'}", expected, "shape.unknown")
    absent = [n for n in shape.needs if not isinstance(row, dict) or n not in row]
    field = absent[0] if absent and isinstance(row, dict) else "row"
    expected = f"{' and '.join(shape.needs)} ({shape.name})"
    return Wrong(field, f"only {has or 'nothing'}", expected, "shape.other")


def parse_row(row: Any, bound: Bound | None, shape: Shape | None = None) -> Parsed:
    """A row in the internal shape, or what is wrong with it; `shape` is the one it should have."""
    if bound is None or (shape is not None and bound.shape.name != shape.name):
        return [missing(row, shape)]
    return bound.shape.parse(reached(row, bound.names), bound.names)


def reached(row: Mapping[str, Any], names: Names) -> Mapping[str, Any]:
    """The row, with what a path leads to under that path: `answers[0].text`, as names that somebody
    gave may be; nothing for a path that leads nowhere."""
    found: dict[str, Any] = {}
    for name in names.values():
        if name not in row and root_of(name) in row:
            found[name] = _at(row, name)
        elif name not in row and (within := _unwrapped(name)) and root_of(within) in row:
            found[name] = _at(row, within)
    return {**row, **found} if found else row


def _unwrapped(path: str) -> str:
    """A path without the wrapper that its row was taken out of; "" for a path into none."""
    root, _, within = path.partition(".")
    return within if root in (*HALVES, *WRAPPERS) else ""


def root_of(path: str) -> str:
    """The field that a path begins with."""
    return re.split(r"[.\[]", path, maxsplit=1)[0]


def _at(row: Any, path: str) -> Any:
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(row, dict):
            row = row.get(step)
        elif isinstance(row, list) and step.lstrip("-").isdigit() and -len(row) <= int(step):
            row = row[int(step)] if int(step) < len(row) else None
        else:
            return None
    return row


class Found(NamedTuple):
    """The shape of a whole set: that of most of its rows. `confidence`: the share of rows that
    have it, times how telling their field names are."""

    bound: Bound
    confidence: float
    because: str


def settle(
    counts: Counter[str], bounds: Mapping[str, Bound], rows: int, asked: str
) -> Found | None:
    """The shape that most of `rows` rows have, from how many have each; None when none has one."""
    if not counts:
        return None
    name, count = max(counts.items(), key=lambda item: item[1])
    bound = bounds[name]
    because = f"{count:,} of {rows:,} rows have {bound.said}"
    if asked != "auto":
        because = f"asked for; {because}"
    elif other := bound.shape.otherwise(bound.names):
        because = f"{because} ({other})"
    return Found(bound, round(bound.sure * count / rows, 4), because)
