"""Looking at the rows of a data set while a person browses them: an index of all, and the checks.

Both run in threads of their own; the pane reads what there is so far. No Textual here.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from tunewright.engine.apart import Apart, Left
from tunewright.engine.data.checks.check import Options
from tunewright.engine.data.example import Finding, Place
from tunewright.engine.data.index import RowIndex
from tunewright.engine.data.inspect import Inspection, open_inspection
from tunewright.engine.data.shapes.find import Finder
from tunewright.engine.data.verdict import Report
from tunewright.engine.homes import cache_home
from tunewright.engine.model import resolve_data
from tunewright.engine.session import DataInput
from tunewright.hardware.errors import Problem
from tunewright.tui.panes.data_seen import Seen, seen_elsewhere, seen_of

# Seconds between two tellings of what has been found by now: each repaints lines over the line.
TELL_EVERY = 0.5
# Rows whose line in the list is kept, and rows that are kept whole: each may be of any length.
_KEPT, _KEPT_WHOLE = 2000, 8
# Rows that a search shows.
MOST_FOUND = 5000


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
        self._apart = Apart()
        self._fetching = threading.Lock()
        self._found_rows: dict[str, list[int]] = {}

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
        self._apart.stop()
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
        known = self._found_rows.get(id)
        if known is None:
            known = sorted(set(self._inspection.total.rows.get(id, ())))
            if self.finished is not None:
                self._found_rows[id] = known
        return known

    def with_rows(self) -> list[Finding]:
        """Findings that are of some rows, not of the whole set."""
        if self._inspection is None:
            return []
        rows = self._inspection.total.rows
        return [finding for finding in self.findings() if len(rows.get(finding.id, ()))]

    def brief(self, number: int) -> Seen:
        """One row as a list shows it, without its `normal`: drawn again and again, read once."""
        kept = self._briefs.get(number)
        if kept is None:
            seen = self.row(number)
            kept = seen._replace(normal=None)
            if not seen.coming:
                _keep(self._briefs, number, kept, _KEPT)
        return kept

    def row(self, number: int) -> Seen:
        """One row, in the internal shape where it has one; an `IndexError` for one that is not
        indexed (yet). A long one is `coming` until `fetch` has read it."""
        kept = self._whole.get(number)
        if kept is not None:
            return kept
        if self.index is None:
            raise IndexError(number)
        long = self.index.long(number)
        if long is not None:
            place = Place(str(self.index.source(number).path), 0)
            return Seen(place, None, "", f"a row of {long / 1e6:,.1f} MB", "", False, coming=True)
        place, raw = self.index.row(number)
        kept = seen_of(place, raw, self._finder, self._held(number))
        _keep(self._whole, number, kept, _KEPT_WHOLE)
        return kept

    def fetch(self, number: int) -> None:
        """Read a long row, in a thread: `row` has its beginning afterwards, or why there is none.
        Only of a look that was stopped is it still `coming`."""
        if self.index is None or number in self._whole or self.stopped:
            return
        file, held = str(self.index.source(number).path), self._held(number)
        # One at a time: each may be of 50 MB.
        with self._fetching:
            try:
                self._take(number, file, held)
            except Problem as problem:
                told = f"{problem.what}: {problem.why}"
            except OSError as error:
                told = f"cannot be read: {error.strerror or error}"
            else:
                return
            # Kept like any other, so that nobody asks for it again and again.
            self._keep_both(number, Seen(Place(file, 0), None, told, "", "", held))

    def _take(self, number: int, file: str, held: bool) -> None:
        assert self.index is not None
        text = self.index.text(number)
        with contextlib.suppress(Left):
            seen = self._apart.call(seen_elsewhere, text, file, self.data.format, held)
            self._keep_both(number, seen)

    def _keep_both(self, number: int, seen: Seen) -> None:
        _keep(self._whole, number, seen, _KEPT_WHOLE)
        _keep(self._briefs, number, seen._replace(normal=None), _KEPT)

    def _held(self, number: int) -> bool:
        return self.index is not None and self.index.source(number).side == "eval"


def _keep(kept: OrderedDict[int, Seen], number: int, seen: Seen, most: int) -> None:
    kept[number] = seen
    while len(kept) > most:
        kept.popitem(last=False)
