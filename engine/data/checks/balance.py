"""Labels and categories: which there are, and whether one of them swallows the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tunewright.engine.data.checks.check import Family, Hits, Kind, Looked, Options
from tunewright.engine.data.checks.total import Total
from tunewright.engine.text import plain

# A field with more values than this is free text or a number of the row, not a label.
MOST_VALUES = 50
_LONGEST = 60
# Names that may be numbers of rows although few rows have been seen.
_NUMBERS = ("id", "idx", "index", "uuid", "line", "hash", "url", "date", "time")
# A label this common teaches its own frequency, one this rare is hardly learned.
_MOST, _LEAST = 0.8, 0.01

KINDS = (
    Kind(
        "label.imbalance",
        "warn",
        "one label is far more common than the others",
        "collect rows of the rare ones, or take fewer of the common one; report scores per label",
    ),
    Kind(
        "label.rare",
        "info",
        "some labels have hardly any rows",
        "collect more rows of them, or join them to others",
    ),
)


def look(rows: Sequence[Looked], hits: Hits, options: Options) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for row in rows:
        normal = row.normal
        if normal is None or row.bound is None:
            continue
        read = row.bound.names.values()
        for key, value in row.value.items():
            if key in read or (len(found) > MOST_VALUES and key not in found):
                continue
            kind = type(value)
            if (kind is str and len(value) <= _LONGEST) or kind is bool or kind is int:
                _count(found, key, str(value))
        if normal.label is not None:
            _count(found, "label", "good" if normal.label else "bad")
        elif normal.kind == "conversation" and len(normal.answer or "") <= _LONGEST:
            _count(found, "(answer)", (normal.answer or "").strip())
        elif normal.kind == "conversation":
            # One long answer is enough to know that answers are no labels.
            _count(found, "(answer)", None)
    return found


def _count(found: dict[str, Counter[str]], key: str, value: str | None) -> None:
    counts = found.get(key)
    if counts is None:
        counts = found[key] = Counter()
    if value is None or (value not in counts and len(counts) > MOST_VALUES):
        counts["\x00"] += 1
    else:
        counts[value] += 1


class _Balance:
    def __init__(self, options: Options) -> None:
        self._found: dict[str, Counter[str]] = {}

    def add(self, part: Any, side: str) -> None:
        for key, counts in part.items():
            mine = self._found.get(key)
            if mine is None and len(self._found) < 200:
                mine = self._found[key] = Counter()
            if mine is not None and len(mine) <= MOST_VALUES * 2:
                mine.update(counts)

    def finish(self, total: Total) -> None:
        for key, counts in self._found.items():
            rows = counts.total()
            if "\x00" in counts or not 2 <= len(counts) <= MOST_VALUES:
                continue
            if len(counts) > rows * 0.2 or any(n in key.lower() for n in _NUMBERS):
                continue
            total.facts.labels[key] = dict(counts.most_common())
            (most, count), *_ = counts.most_common(1)
            told = (
                f"{plain(key[:40])}: {plain(most[:40])!r} has {count / rows:.0%} of {rows:,} rows"
            )
            if count >= _MOST * rows:
                total.add_set("label.imbalance", told, count)
            rare = [plain(v[:30]) for v, n in counts.items() if n < _LEAST * rows]
            if rare:
                said = (
                    f"{plain(key[:40])}: under {_LEAST:.0%} of the rows have {', '.join(rare[:8])}"
                )
                total.add_set("label.rare", said, sum(n < _LEAST * rows for n in counts.values()))


FAMILY = Family("balance", "label and category balance", KINDS, look, _Balance)
