"""Looking at the rows of a data set while a person browses them: an index of all, and the checks.

Both run in threads of their own; the pane reads what there is so far. No Textual here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tunewright.engine.data.checks.check import Options
from tunewright.engine.data.example import Example, Finding, Place
from tunewright.engine.data.index import RowIndex
from tunewright.engine.data.inspect import Inspection, Report, open_inspection
from tunewright.engine.data.previewed import sides_of
from tunewright.engine.data.shapes.find import Finder, parse_row
from tunewright.engine.data.shapes.shape import Normal
from tunewright.engine.homes import cache_home
from tunewright.engine.model import resolve_data
from tunewright.engine.session import DataInput
from tunewright.engine.text import plain
from tunewright.hardware.errors import Problem

# Seconds between two tellings of what has been found by now: each repaints lines over the line.
TELL_EVERY = 0.5
# Letters of a row that a list needs.
_MOST = 400
# Rows whose line in the list is kept, and rows that are kept whole: each may be of any length.
_KEPT, _KEPT_WHOLE = 2000, 2
# Rows that a search shows.
MOST_FOUND = 5000


class Seen(NamedTuple):
    """One row for the list and the box below it. `normal` None: `wrong` says why."""

    place: Place
    normal: Normal | None
    wrong: str
    asked: str
    answered: str
    held: bool


class DataLook:
    """See the module. `finished` is the report once every row was checked; `problem` what stopped
    the reading."""

    def __init__(self, data: DataInput, base: Path) -> None:
        self.data = data
        self.base = base
        self.index: RowIndex | None = None
        self.finished: Report | None = None
        self.problem: Problem | None = None
        self.stopped = False
        self._inspection: Inspection | None = None
        self._finder = Finder(data.format)
        self._told = 0.0
        self._briefs: OrderedDict[int, Seen] = OrderedDict()
        self._whole: OrderedDict[int, Seen] = OrderedDict()

    # -- in threads

    def open(self) -> None:
        """Find the files; afterwards `build` and `check` may run side by side."""
        try:
            path, held = resolve_data(self.data, self.base, cache_home())
            options = Options(format=self.data.format)
            inspection = open_inspection(path, options, eval_path=held)
        except Problem as problem:
            self.problem = problem
            return
        self.index = RowIndex(inspection.sources)
        self._inspection = inspection

    def build(self, tell: Callable[[], None]) -> None:
        """Index the rows; `tell` when there are more."""
        if self.index is not None:
            try:
                self.index.build(tell)
            except Problem as problem:
                self.problem = problem

    def check(self, tell: Callable[[], None]) -> None:
        """Check the rows; `tell` now and then, and at the end."""

        def progress(inspection: Inspection) -> None:
            inspection.stopped = self.stopped
            now = time.monotonic()
            if not self._told or now - self._told > TELL_EVERY:
                self._told = now
                tell()

        if self._inspection is not None:
            try:
                report = self._inspection.run(progress)
            except Problem as problem:
                self.problem = problem
            else:
                self.finished = None if self.stopped else report

    def stop(self) -> None:
        """Leave off, at the next block."""
        self.stopped = True
        if self.index is not None:
            self.index.stopped = True

    # -- on the screen

    @property
    def checked(self) -> int:
        """Rows that were checked by now."""
        return 0 if self._inspection is None else len(self._inspection.total.lines)

    def findings(self) -> Sequence[Finding]:
        """What was found by now, the gravest first."""
        if self.finished is not None:
            return self.finished.findings
        return () if self._inspection is None else self._inspection.total.findings()

    def rows_of(self, id: str) -> Sequence[int]:
        """Numbers of the rows that have a finding, ascending."""
        if self._inspection is None:
            return ()
        return sorted(set(self._inspection.total.rows.get(id, ())))

    def with_rows(self) -> list[Finding]:
        """Findings that are of some rows, not of the whole set."""
        return [finding for finding in self.findings() if len(self.rows_of(finding.id))]

    def brief(self, number: int) -> Seen:
        """One row as a list shows it, without its `normal`: drawn again and again, read once."""
        kept = self._briefs.get(number)
        if kept is None:
            kept = (self._whole.get(number) or self._read(number))._replace(normal=None)
            _keep(self._briefs, number, kept, _KEPT)
        return kept

    def row(self, number: int) -> Seen:
        """One row, in the internal shape where it has one; an `IndexError` for one that is not
        indexed (yet)."""
        kept = self._whole.get(number)
        if kept is None:
            kept = self._read(number)
            _keep(self._whole, number, kept, _KEPT_WHOLE)
        return kept

    def _read(self, number: int) -> Seen:
        if self.index is None:
            raise IndexError(number)
        place, raw = self.index.row(number)
        held = self._inspection is not None and bool(
            (source := next((s for s in self.index.sources if str(s.path) == place.file), None))
            and source.side == "eval"
        )
        if raw.wrong is not None:
            return Seen(place, None, f"found {raw.wrong.found}", "", "", held)
        parsed = parse_row(raw.value, self._finder.find(raw.value))
        if isinstance(parsed, list):
            said = f"{parsed[0].field}: found {parsed[0].found}; expected {parsed[0].expected}"
            return Seen(place, None, said, "", plain(str(raw.value)[:_MOST]), held)
        if parsed.text is not None:
            return Seen(place, parsed, "", "", plain(parsed.text[:_MOST]), held)
        asked = " ".join(m.content[:_MOST] for m in parsed.asked if m.role == "user")[:_MOST]
        answer = (parsed.answer or "")[:_MOST]
        if not answer and parsed.messages[-1].tool_calls:
            answer = ", ".join(f"{call.name}()" for call in parsed.messages[-1].tool_calls)
        return Seen(place, parsed, "", plain(asked), plain(answer), held)

    def examples(self, number: int) -> list[tuple[str, Example]]:
        """(name, example) of what is trained of a row; nothing for plain text and wrong rows."""
        seen = self.row(number)
        if seen.normal is None or seen.normal.text is not None:
            return []
        return sides_of(seen.normal, seen.place)


def _keep(kept: OrderedDict[int, Seen], number: int, seen: Seen, most: int) -> None:
    kept[number] = seen
    while len(kept) > most:
        kept.popitem(last=False)
