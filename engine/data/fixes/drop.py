"""drop=FINDING: leave out the rows that have it."""

from __future__ import annotations

from typing import Any

from tunewright.engine.data.fixes.fix import Applied, Before, Change, Dropped, Fix, Row
from tunewright.hardware.errors import Problem


def _make(value: str) -> Applied:
    from tunewright.engine.data.checks.check import families, kinds

    known = kinds(families())
    if value not in known:
        raise Problem(
            f"there is no finding {value!r} whose rows could be dropped",
            why=f"the findings are {', '.join(sorted(known))}",
            cure="tunewright data check PATH names those that your data has",
        )

    def apply(row: Row, before: Before) -> tuple[Any, list[Change]] | Dropped:
        if value in row.hits.rows or row.number in before.found.get(value, ()):
            return Dropped(value)
        return row.value, []

    return apply


def _first_look(value: str) -> tuple[str, ...]:
    from tunewright.engine.data.checks.check import families

    # Findings of the whole set are not told by a row alone.
    whole = {kind.id for family in families() if family.gather for kind in family.kinds}
    return (value,) if value in whole else ()


FIX = Fix("drop", "drop=FINDING", "leave out the rows with a finding", _make, _first_look)
