"""What all blocks together have found, and where every row stands."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tunewright.engine.data.checks.check import Hits, Kind
from tunewright.engine.data.example import Finding, Place, Severity
from tunewright.engine.data.readers.block import Side
from tunewright.engine.text import agreeing

# Places that a finding names, and rows of it that are remembered for filters.
PLACES = 10_000
MOST_ROWS = 200_000
EVERY_ROW = 2**32
_WEIGHT: dict[Severity, int] = {"error": 0, "warn": 1, "info": 2}


class SetFacts(msgspec.Struct, omit_defaults=True):
    """Counts of the whole set. `distinct_rows`: without exact and near repetitions, on the training
    side. `conflicting_rows` share their prompt with a row that is answered otherwise;
    `copied_answers` say what was asked; `distinct_answers`: different last answers."""

    rows: int = 0
    eval_rows: int = 0
    usable_rows: int = 0
    duplicate_rows: int = 0
    near_duplicate_rows: int = 0
    distinct_rows: int = 0
    conflicting_rows: int = 0
    distinct_prompts: int = 0
    distinct_answers: int = 0
    copied_answers: int = 0
    leaked_rows: int = 0
    languages: dict[str, int] = {}
    labels: dict[str, dict[str, int]] = {}


class Total:
    """Findings by id with counts, places and rows; rows are known by their number from 0."""

    def __init__(self, kinds: Mapping[str, Kind], most_rows: int = MOST_ROWS) -> None:
        self.kinds = kinds
        self._most_rows = most_rows
        self.facts = SetFacts()
        self.extra: dict[str, Any] = {}
        self.files: list[str] = []
        self.lines = array("I")
        self._starts: list[int] = []
        self._file_of: list[int] = []
        # Of each file: the number of its first row, and whether its places name the row.
        self._files_from: list[tuple[int, bool]] = []
        self.sides: list[tuple[int, Side]] = []
        self.count: dict[str, int] = {}
        self.rows: dict[str, array[int]] = {}
        self._places: dict[str, list[tuple[Place, str]]] = {}
        self._said: dict[str, str] = {}

    # -- rows

    def add_block(self, file: str, side: Side, lines: array[int], rows: bool = False) -> int:
        """Number the rows of a block; the number of the first. `rows`: their places name the row of
        the file beside the line."""
        start = len(self.lines)
        if not self.files or self.files[-1] != file:
            self.files.append(file)
            self._files_from.append((start, rows))
        self._starts.append(start)
        self._file_of.append(len(self.files) - 1)
        if not self.sides or self.sides[-1][1] != side:
            self.sides.append((start, side))
        self.lines.extend(lines)
        return start

    def place(self, row: int, field: str | None = None) -> Place:
        block = bisect_right(self._starts, row) - 1
        file = self._file_of[block]
        first, named = self._files_from[file]
        return Place(self.files[file], self.lines[row], field, row - first + 1 if named else None)

    def side(self, row: int) -> Side:
        at = bisect_right([start for start, _ in self.sides], row) - 1
        return self.sides[at][1]

    # -- findings

    def add_hits(self, hits: Hits, start: int, numbers: array[int]) -> None:
        """What a block found, whose rows, `numbers` in their file, begin with number `start`."""
        ours: dict[int, int] | None = None
        for id, found in hits.rows.items():
            if ours is None:
                ours = {number: start + at for at, number in enumerate(numbers)}
            self.count[id] = self.count.get(id, 0) + len(found)
            known = self.rows.setdefault(id, array("I"))
            if len(known) < self._most_rows:
                known.extend(ours[number] for number in found)
            places = self._places.setdefault(id, [])
            for number, field, example in hits.places[id]:
                if len(places) < PLACES:
                    places.append((self.place(ours[number], field), example))

    def add_rows(
        self, id: str, rows: Iterable[int], field: str, examples: Mapping[int, str] | None = None
    ) -> None:
        """Rows that a whole-set check found."""
        known = self.rows.setdefault(id, array("I"))
        places = self._places.setdefault(id, [])
        count = 0
        for row in rows:
            count += 1
            if len(known) < self._most_rows:
                known.append(row)
            if len(places) < PLACES:
                places.append((self.place(row, field), (examples or {}).get(row, "")))
        if count:
            self.count[id] = self.count.get(id, 0) + count

    def add_places(self, id: str, places: Iterable[tuple[int, str]]) -> None:
        """(row, field) where something about the whole set can be seen; the rows are not all."""
        known = self._places.setdefault(id, [])
        known += [(self.place(row, field), "") for row, field in places][: PLACES - len(known)]

    def add_set(self, id: str, said: str, count: int | None = None) -> None:
        """Something about the whole set: the message in full."""
        self._said[id] = said
        self.count[id] = self.count.get(id, 0) or (len(self.lines) if count is None else count)

    def finding(self, id: str) -> Finding:
        kind, count = self.kinds[id], self.count[id]
        rows = max(1, len(self.lines))
        message = self._said.get(id) or agreeing(
            kind.message.format(count=f"{count:,}", rows=f"{rows:,}", share=f"{count / rows:.1%}")
        )
        places = self._places.get(id, ())
        fix, fixes = kind.cured(count / rows)
        return Finding(
            id=id,
            severity=kind.graded(count / rows),
            message=message,
            count=count,
            places=tuple(place for place, _ in places),
            fix=fix,
            examples=tuple(example for _, example in places),
            fixes=fixes,
        )

    def findings(self) -> tuple[Finding, ...]:
        """The gravest first, then those of most rows."""
        found = [self.finding(id) for id, count in self.count.items() if count]
        return tuple(sorted(found, key=lambda f: (_WEIGHT[f.severity], -f.count, f.id)))
