"""Whether there are enough rows that say something new."""

from __future__ import annotations

from typing import Any

from tunewright.engine.data.checks.check import Family, Kind, Options
from tunewright.engine.data.checks.total import Total

# The steps of the expert's data checklist.
FEW, ENOUGH, GOOD = 100, 500, 1000

KINDS = (
    Kind(
        "rows.few",
        "error",
        "too few rows: a model learns under 100 by heart",
        "collect more; or put the best of them into the prompt as examples",
    ),
    Kind("rows.thin", "warn", "few rows", "500 or more distinct rows are advised, 1,000 are good"),
)


class _Size:
    def __init__(self, options: Options) -> None:
        pass

    def add(self, part: Any, side: str) -> None:
        pass

    def finish(self, total: Total) -> None:
        distinct = total.facts.distinct_rows
        repeats = total.facts.duplicate_rows + total.facts.near_duplicate_rows
        more = f" ({repeats:,} more repeat one)" if repeats else ""
        if distinct < FEW:
            said = f"too few: {distinct:,} distinct rows{more}; a model learns under {FEW} by heart"
            total.add_set("rows.few", said, max(1, distinct))
        elif distinct < ENOUGH:
            said = f"thin: {distinct:,} distinct rows{more}; {ENOUGH} or more are advised"
            total.add_set("rows.thin", said, distinct)


FAMILY = Family("size", "number of rows", KINDS, None, _Size, late=True)
