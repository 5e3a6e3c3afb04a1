"""Holding rows out: seeded, the same on every machine, nothing alike on both sides."""

from __future__ import annotations

import hashlib
import random
from array import array
from collections.abc import Hashable, Sequence

from tunewright.engine.data.example import Example
from tunewright.engine.data.keys import Groups, Sketches, join_near, shingles
from tunewright.hardware.errors import Problem


def prompt_key(example: Example) -> str:
    """Equal for rows whose turns before the last answer are equal."""
    text = "\x1f".join(f"{m.role}\x1e{m.content}" for m in example.messages[:-1])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def split(
    examples: Sequence[Example], fraction: float, seed: int
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """(train, held out), each in file order: about `fraction` of the rows, at least one, is out.

    Rows with the same prompt stay together, and so do near duplicates, or the answer would be known
    beforehand. Where so many rows are alike that nothing could be held out (all are of one mould),
    only those with the same prompt do. A `Problem` when the fraction is not between 0 and 1 or
    nothing would be left on one side.
    """
    check_fraction(fraction)
    keys = [prompt_key(example) for example in examples]
    groups = Groups(len(examples))
    first: dict[str, int] = {}
    for row, key in enumerate(keys):
        groups.join(first.setdefault(key, row), row)
    if len(first) < 2:
        raise Problem(
            f"{len(examples)} rows with {len(first)} different prompts cannot be split",
            why="one side would be empty, or hold the other's answers",
            cure="give more rows, or held-out rows of their own: --eval-data FILE",
        )
    sketches = Sketches()
    sketches.add([_shingles(example) for example in examples])
    near = groups.copy()
    join_near(sketches, near)
    if largest(near) <= len(examples) // 2:
        groups = near
    held = hold_out([keys[groups.head(row)] for row in range(len(keys))], None, fraction, seed)
    train = tuple(e for i, e in enumerate(examples) if i not in held)
    return train, tuple(e for i, e in enumerate(examples) if i in held)


def _shingles(example: Example) -> list[str]:
    text = "\n".join(message.content for message in example.messages)
    return shingles(text.lower().split(), text)


def check_fraction(fraction: float) -> None:
    """A `Problem` for a share of rows that leaves one side empty."""
    if not 0 < fraction < 1:
        raise Problem(
            f"a held-out share of {fraction:g} makes no sense",
            why="it is a fraction of the rows, above 0 and below 1",
            cure="--eval-fraction 0.1",
        )


def largest(groups: Groups) -> int:
    """Rows of the largest group."""
    sizes = array("I", bytes(4 * len(groups)))
    for row in range(len(groups)):
        sizes[groups.head(row)] += 1
    return max(sizes, default=0)


def hold_out(
    keys: Sequence[str | int],
    labels: Sequence[Hashable] | None,
    fraction: float,
    seed: int,
) -> set[int]:
    """The numbers of the rows to hold out: whole groups of rows with equal `keys`, in an order that
    only `seed` decides, until `fraction` of the rows of each label is out (of all rows without
    labels). A group goes by the label of its first row. One group always stays."""
    groups: dict[str | int, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    strata: dict[Hashable, list[str | int]] = {}
    for key in sorted(groups, key=str):
        label = None if labels is None else labels[groups[key][0]]
        strata.setdefault(label, []).append(key)
    held: set[int] = set()
    for label in sorted(strata, key=str):
        order = strata[label]
        random.Random(seed).shuffle(order)
        rows = sum(len(groups[key]) for key in order)
        # A label with one group stays for training; without labels at least one row is out.
        wanted = max(1, round(rows * fraction)) if len(order) > 1 else 0
        out = 0
        for key in order[:-1]:
            if out >= wanted:
                break
            # A group that is far too large would empty the other side.
            if labels is None or len(groups[key]) <= 2 * wanted:
                held.update(groups[key])
                out += len(groups[key])
    return held
