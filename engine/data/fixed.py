"""Chosen fixes applied to every row of a data set, in order. The source is only read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tunewright.engine.data.checks.check import Family, Hits, Looked, Options, families
from tunewright.engine.data.checks.total import EVERY_ROW
from tunewright.engine.data.example import Place
from tunewright.engine.data.fixes.fix import Applied, Before, Dropped, Row, parse_fix
from tunewright.engine.data.inspect import open_inspection
from tunewright.engine.data.keys import equal_pairs
from tunewright.engine.data.readers.block import Block, RawRow, Side, Wrong
from tunewright.engine.data.shapes.find import Finder, parse_row, shape_named
from tunewright.engine.data.sources import find_sources
from tunewright.hardware.errors import Problem

_BLOCK_ROWS = 1000
# Families whose findings of single rows cost nothing to know.
_ALWAYS = ("structure",)


class Done(NamedTuple):
    """One row after all fixes: its place, its new value (None: dropped), what was done, and the
    side that its file or document puts it on."""

    place: Place
    value: Any
    changes: list[tuple[str, str, str]]
    side: Side = "train"


def fixed_rows(
    path: Path, fixes: Sequence[str], format: str = "auto", strict: bool = True
) -> Iterator[Done]:
    """Every row with the fixes applied, in order. Lines that hold no row at all are dropped only by
    a fix that names their finding; else a `Problem`, as nothing is to vanish unsaid (they stay
    without a value where this is not `strict`)."""
    made, shape = _prepared(path, fixes, format)
    if any(parse_fix(text)[0].name == "rename" for text in fixes):
        # The rows get the shape that their new names give them.
        shape = None
    look = _Look(fixes, format, shape)
    number = -1
    for source in find_sources(path):
        for block in source.blocks():
            for raw in block.rows():
                number += 1
                looked, hits = look(raw)
                row = Row(number, looked, hits, raw.value)
                done = _through(row, raw.place(str(source.path)), made, look, strict)
                yield done._replace(side=block.side or source.side)


class _Look:
    """Looks at single rows with the families that the fixes name."""

    def __init__(self, fixes: Sequence[str], format: str, shape: str | None) -> None:
        self._finder = Finder(format)
        self._options = Options(format=format, shape=shape)
        self._wanted = None if shape is None else shape_named(shape)
        self._looks = [
            family.look
            for family in families()
            if family.look is not None and (family.name in _ALWAYS or _names(family, fixes))
        ]

    def __call__(self, raw: RawRow) -> tuple[Looked, Hits]:
        bound = None if raw.wrong is not None else self._finder.find(raw.value)
        parsed = [raw.wrong] if raw.wrong else parse_row(raw.value, bound, self._wanted)
        looked = (
            Looked(raw.number, raw.value, bound, None, parsed)
            if isinstance(parsed, list)
            else Looked(
                raw.number, raw.value, bound, parsed, [] if raw.note is None else [raw.note]
            )
        )
        hits = Hits()
        for look in self._looks:
            look([looked], hits, self._options)
        return looked, hits


def _through(
    row: Row,
    place: Place,
    made: Sequence[_Made],
    look: _Look,
    strict: bool,
) -> Done:
    changes: list[tuple[str, str, str]] = []
    for text, apply, before in made:
        if changes and row.value is not row.looked.value:
            # What is wrong with a row is judged as the fixes before have left it.
            looked, hits = look(RawRow(row.looked.number, row.value))
            row = row._replace(looked=looked, hits=hits)
        result = apply(row, before)
        if isinstance(result, Dropped):
            return Done(place, None, [*changes, (text, "row", f"dropped: {result.why}")])
        value, told = result
        changes += [(text, change.field, change.what) for change in told]
        row = row._replace(value=value)
    if strict and row.looked.wrong and row.value is None:
        wrong = row.looked.wrong[0]
        raise Problem(
            f"{place} holds no row that could be written",
            why=f"found {wrong.found}; expected {wrong.expected}",
            cure=f"leave such lines out by name: --fix drop={wrong.id}",
        )
    return Done(place, row.value, changes)


class _Made(NamedTuple):
    """A fix ready to run, and what it needs to know of the whole set."""

    text: str
    apply: Applied
    before: Before


# Fixes that leave out rows and change none.
_DROPPING = ("drop", "dedupe")


def _prepared(path: Path, fixes: Sequence[str], format: str) -> tuple[list[_Made], str | None]:
    """The fixes, each with a first look at the whole set as the changes before it leave it, and the
    shape of most rows as they are."""
    parsed = [parse_fix(text) for text in fixes]
    ids = [fix.first_look(value) for fix, value in parsed]
    # Fixes after the same last change share a look.
    after: list[int] = []
    last = 0
    for at, (fix, _) in enumerate(parsed):
        after.append(last)
        if fix.name not in _DROPPING:
            last = at + 1
    looks: dict[int, Before] = {}
    shape: str | None = None
    for number in sorted({0, *(after[at] for at, wanted in enumerate(ids) if wanted)}):
        asked = [ids[at] for at in range(len(fixes)) if after[at] == number]
        before, told = _first_look(path, asked, format, fixes[:number])
        looks[number] = before
        shape = told if number == 0 else shape
    nothing = Before({}, {})
    return [
        _Made(text, fix.make(value), looks.get(after[at], nothing))
        for at, (text, (fix, value)) in enumerate(zip(fixes, parsed, strict=True))
    ], shape


class _Changed:
    """The rows of all files as some fixes leave them, to be looked at as one file."""

    def __init__(self, path: Path, fixes: Sequence[str], format: str) -> None:
        self.path = path
        self.side: Side = "train"
        self.lies = False
        self._fixes, self._format = fixes, format

    def blocks(self) -> Iterator[Block]:
        rows = fixed_rows(self.path, self._fixes, self._format, strict=False)
        gone = Wrong("row", "left out", "a row", "shape.other")
        while batch := list(itertools.islice(rows, _BLOCK_ROWS)):
            # Rows keep their numbers, those that are left out too.
            made = tuple(
                RawRow(at, done.value, gone if done.value is None else None)
                for at, done in enumerate(batch, 1)
            )
            yield Block(1, made=made)


def _names(family: Family, fixes: Sequence[str]) -> bool:
    ids = {kind.id for kind in family.kinds}
    return any(text.partition("=")[2] in ids for text in fixes)


def _first_look(
    path: Path, asked: Sequence[tuple[str, ...]], format: str, fixes: Sequence[str]
) -> tuple[Before, str | None]:
    """What some fixes need to know of the whole set as `fixes` leave it, and the shape of most
    rows."""
    ids = {id for group in asked for id in group}
    wanted = {"structure", "duplicates"} if ids & _REPEATS else {"structure"}
    if ids - _REPEATS:
        wanted |= {f.name for f in families() if ids & {kind.id for kind in f.kinds}}
    skip = tuple(f.name for f in families() if f.name not in wanted)
    inspection = open_inspection(path, Options(format=format, skip=skip), most_rows=EVERY_ROW)
    # Sides do not matter to fixes: a repetition is one wherever it stands.
    inspection.one_side = True
    if fixes:
        inspection.instead = _Changed(path, fixes, format)
    report = inspection.run()
    total = inspection.total
    found = {id: set(total.rows.get(id, ())) for id in ids}
    repeats: dict[str, dict[int, int]] = {}
    groups = total.extra.get("groups")
    for id in ids & {"duplicate.exact", "duplicate.near"}:
        repeats[id] = {row: groups.head(row) for row in total.rows.get(id, ())} if groups else {}
    if "prompt.repeat" in ids and "asked" in total.extra:
        repeats["prompt.repeat"] = {row: first for first, row in equal_pairs(total.extra["asked"])}
    return Before(found, repeats), report.format


_REPEATS = {"duplicate.exact", "duplicate.near", "prompt.repeat"}
