"""How varied the questions are: how they begin, and how many different ones there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tunewright.engine.data.checks.check import Family, Hits, Kind, Looked, Options
from tunewright.engine.data.checks.total import Total
from tunewright.engine.text import plain

_WORDS = 4
# Openings that are remembered; rarer ones are dropped now and then.
_KEPT = 20_000
_SHARE = 0.5

KINDS = (
    Kind(
        "diversity.openings",
        "info",
        "many questions begin alike",
        "right for one narrow task; else ask in more ways, or the model needs these very words",
    ),
    Kind(
        "diversity.prompts",
        "warn",
        "few different questions for so many rows",
        "add questions: many answers to one question teach less than one answer to many",
    ),
)


def look(rows: Sequence[Looked], hits: Hits, options: Options) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in rows:
        if row.normal is None or not row.normal.asked:
            continue
        first = row.normal.asked[-1].content[:200].lower().split(None, _WORDS)[:_WORDS]
        found[" ".join(first)] += 1
    return found


class _Diversity:
    def __init__(self, options: Options) -> None:
        self._openings: Counter[str] = Counter()
        self._rows = 0

    def add(self, part: Any, side: str) -> None:
        self._openings.update(part)
        self._rows += part.total()
        if len(self._openings) > 2 * _KEPT:
            self._openings = Counter(dict(self._openings.most_common(_KEPT)))

    def finish(self, total: Total) -> None:
        if not self._rows or self._rows < 20:
            return
        (opening, count), *_ = self._openings.most_common(1)
        if count >= _SHARE * self._rows:
            said = f"{count / self._rows:.0%} of the questions begin with “{plain(opening[:60])}”"
            total.add_set("diversity.openings", said, count)
        prompts = total.facts.distinct_prompts
        if prompts and prompts < 0.2 * self._rows and total.extra.get("kind") == "conversation":
            said = f"{prompts:,} different questions in {self._rows:,} rows"
            total.add_set("diversity.prompts", said, self._rows - prompts)


FAMILY = Family("diversity", "diversity of questions", KINDS, look, _Diversity, late=True)
