"""What is wrong with rows so that nothing can be concluded from them. Pure: rows in, troubles out.

Every check counts, names and shows places; none repairs. `troubles` walks them in the order in
which they have to be repaired.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from tunewright.engine.data.example import Example
from tunewright.engine.suspect.copied import copied_rows
from tunewright.engine.suspect.similar import answer_key, near_identical, shared_with
from tunewright.engine.suspect.truncated import truncated_rows
from tunewright.engine.suspect.unrelated import relation

SHOWN = 5
MOST_ROWS, _STRETCH = 50_000, 1000
# From these shares on a trouble makes every figure of the rows worthless; below, it is only told.
SEVERE_REPEATS = 0.5
SEVERE_CONSTANT = 0.9
SEVERE_COPIES = 0.5
SEVERE_CUTS = 0.5
SEVERE_LEAKS = 0.2
WORTH_TELLING = 0.02
_FEWEST_FOR_A_SHARE = 20


class Trouble(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`rows` of `of` rows have it. `severe`: nothing should be measured or trained before
    `repair` is done. `places` are the first few."""

    id: str
    rows: int
    of: int
    message: str
    repair: str
    severe: bool
    places: tuple[str, ...] = ()


def troubles(train: Sequence[Example], held: Sequence[Example] = ()) -> tuple[Trouble, ...]:
    """All that was found, severe ones first, each in the order in which to repair. Of each turn the
    first million letters are read, as the checks do. Leaks are looked for in all rows, the other
    troubles in `part_of` them."""
    # Heavy for who only reads of troubles.
    from tunewright.engine.data.checks.check import MOST_TEXT

    some = [example.beginning(MOST_TEXT) for example in part_of(train)]
    found = [
        _constant(some),
        _repeats(some),
        _copies(some),
        _cuts(some),
        _unrelated(some),
        _leaks(train, held),
    ]
    told = [trouble for trouble in found if trouble is not None]
    return tuple(sorted(told, key=lambda trouble: not trouble.severe))


def part_of(rows: Sequence[Example]) -> Sequence[Example]:
    """All rows, or of more than `MOST_ROWS` stretches in equal distances: words of all of them
    would be many times the size of the data."""
    if len(rows) <= MOST_ROWS:
        return rows
    firsts = range(0, len(rows) - _STRETCH + 1, len(rows) // (MOST_ROWS // _STRETCH))
    return [row for first in firsts for row in rows[first : first + _STRETCH]]


def _constant(train: Sequence[Example]) -> Trouble | None:
    answers = [answer_key(example) for example in train]
    commonest, count = Counter(answers).most_common(1)[0] if answers else ("", 0)
    every = len(train) >= 2 and count == len(train)
    if not every and (len(train) < _FEWEST_FOR_A_SHARE or count < SEVERE_CONSTANT * len(train)):
        return None
    return Trouble(
        "constant",
        count,
        len(train),
        "every row has the same answer, whatever is asked"
        if every
        else f"{count:,} of {len(train):,} rows have the same answer, whatever is asked",
        "collect rows whose answers differ as the inputs do",
        True,
        _places(train, [row for row, answer in enumerate(answers) if answer == commonest]),
    )


def _repeats(train: Sequence[Example]) -> Trouble | None:
    rows = near_identical(train)
    if len(rows) <= WORTH_TELLING * len(train):
        return None
    return Trouble(
        "repeats",
        len(rows),
        len(train),
        f"{len(rows):,} of {len(train):,} rows are the same as an earlier one, or nearly",
        f"keep one of each: {len(train) - len(rows):,} rows are left",
        len(rows) >= SEVERE_REPEATS * len(train),
        _places(train, rows),
    )


def _copies(train: Sequence[Example]) -> Trouble | None:
    rows = copied_rows(train)
    if len(rows) <= WORTH_TELLING * len(train):
        return None
    return Trouble(
        "copied",
        len(rows),
        len(train),
        f"the answers of {len(rows):,} of {len(train):,} rows are their inputs, copied",
        "write the wanted answer into these rows, or remove them: a model would learn to repeat "
        "what it is told",
        len(rows) >= SEVERE_COPIES * len(train),
        _places(train, rows),
    )


def _cuts(train: Sequence[Example]) -> Trouble | None:
    rows = truncated_rows(train)
    if len(rows) <= WORTH_TELLING * len(train):
        return None
    return Trouble(
        "truncated",
        len(rows),
        len(train),
        f"the answers of {len(rows):,} of {len(train):,} rows seem to stop in the middle",
        "export the rows again without a limit of length, or remove the cut ones: a model would "
        "learn to stop in the middle",
        len(rows) >= SEVERE_CUTS * len(train),
        _places(train, rows),
    )


def _unrelated(train: Sequence[Example]) -> Trouble | None:
    found = relation(train)
    if found is None or found.related:
        return None
    return Trouble(
        "unrelated",
        len(train),
        len(train),
        f"answers have no more to do with their own inputs than with any other's ({found.told}): "
        "they look shuffled",
        "check twenty rows by hand; if inputs and answers were joined by position, join them by a "
        "key",
        True,
        _places(train, range(len(train))),
    )


def _leaks(train: Sequence[Example], held: Sequence[Example]) -> Trouble | None:
    rows = shared_with(train, held)
    if not rows:
        return None
    return Trouble(
        "leaked",
        len(rows),
        len(held),
        f"{len(rows):,} of {len(held):,} held-out rows stand in the training rows too",
        "remove them from one side: a model is not measured by what it was shown",
        len(rows) >= SEVERE_LEAKS * len(held),
        _places(held, rows),
    )


def _places(examples: Sequence[Example], rows: Sequence[int]) -> tuple[str, ...]:
    return tuple(str(examples[row].place) for row in rows[:SHOWN])
