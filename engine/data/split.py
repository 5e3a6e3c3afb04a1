"""Holding rows out: seeded, the same on every machine, nothing alike on both sides."""

from __future__ import annotations

import hashlib
import itertools
import random
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from tunewright.engine.data.example import Example
from tunewright.engine.data.keys import Groups, Sketches, equal_pairs, join_near, shingles
from tunewright.hardware.errors import Problem

# Rows that are sketched at once.
_BATCH = 1000
_DIGEST = 32


def prompt_digest(example: Example) -> bytes:
    """Equal for rows whose turns before the last answer are equal: 32 bytes."""
    text = "\x1f".join(f"{m.role}\x1e{m.content}" for m in example.messages[:-1])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def prompt_key(example: Example) -> str:
    """`prompt_digest` in hexadecimal digits."""
    return prompt_digest(example).hex()


def split(examples: Sequence[Example], fraction: float, seed: int) -> tuple[array[int], array[int]]:
    """Numbers of the rows to train on and of those held out, ascending: about `fraction` of the
    rows, at least one, is out.

    Rows with the same prompt stay together, and so do near duplicates, or the answer would be known
    beforehand. Where so many rows are alike that nothing could be held out (all are of one mould),
    only those with the same prompt do. A `Problem` when the fraction is not between 0 and 1 or
    nothing would be left on one side. Rows are read once, one after the other; of each some 300
    bytes are kept meanwhile.
    """
    check_fraction(fraction)
    digests = bytearray()
    sketches = Sketches()
    waiting = iter(examples)
    while batch := list(itertools.islice(waiting, _BATCH)):
        digests += b"".join(map(prompt_digest, batch))
        sketches.add([_shingles(example) for example in batch])
    groups = _by_prompt(digests)
    prompts = sum(groups.head(row) == row for row in range(len(groups)))
    if prompts < 2:
        raise Problem(
            f"{len(examples)} rows with {prompts} different prompts cannot be split",
            why="one side would be empty, or hold the other's answers",
            cure="give more rows, or held-out rows of their own: --eval-data FILE",
        )
    near = groups.copy()
    join_near(sketches, near)
    if largest(near) <= len(examples) // 2:
        groups = near
    held = hold_out(groups, lambda row: _digest(digests, row), None, fraction, seed)
    sides = (array("I"), array("I"))
    for row, out in enumerate(held):
        sides[out].append(row)
    return sides


def _digest(digests: bytearray, row: int) -> bytes:
    return bytes(digests[row * _DIGEST : row * _DIGEST + _DIGEST])


def _by_prompt(digests: bytearray) -> Groups:
    """Rows with equal digests."""
    groups = Groups(len(digests) // _DIGEST)
    beginnings = array("q")
    beginnings.frombytes(b"".join(digests[at : at + 8] for at in range(0, len(digests), _DIGEST)))
    for first, row in equal_pairs(beginnings):
        if _digest(digests, first) == _digest(digests, row):
            groups.join(first, row)
    return groups


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
    groups: Groups,
    key: Callable[[int], bytes],
    labels: Sequence[Hashable] | None,
    fraction: float,
    seed: int,
) -> bytearray:
    """1 for each row to hold out, 0 for the others: whole groups, in an order that only `seed` and
    the `key` of each group's first row decide, until `fraction` of the rows of each label is out
    (of all rows without labels). A group goes by the label of its first row. One group always
    stays."""
    sizes = array("I", bytes(4 * len(groups)))
    for row in range(len(groups)):
        sizes[groups.head(row)] += 1
    strata: dict[Hashable, array[int]] = {}
    for row in _ordered((row for row, size in enumerate(sizes) if size), key):
        strata.setdefault(None if labels is None else labels[row], array("I")).append(row)
    held = bytearray(len(groups))
    for label in sorted(strata, key=str):
        order = strata[label]
        random.Random(seed).shuffle(order)
        rows = sum(sizes[row] for row in order)
        # A label with one group stays for training; without labels at least one row is out.
        wanted = max(1, round(rows * fraction)) if len(order) > 1 else 0
        out = 0
        for row in order[:-1]:
            if out >= wanted:
                break
            # A group that is far too large would empty the other side.
            if labels is None or sizes[row] <= 2 * wanted:
                held[row] = 1
                out += sizes[row]
    for row in range(len(groups)):
        held[row] = held[groups.head(row)]
    return held


def _ordered(rows: Iterable[int], key: Callable[[int], bytes]) -> Iterator[int]:
    """Rows by their keys, sorted a part at a time: keys of all would be many times the rows."""
    parts: dict[bytes, array[int]] = {}
    for row in rows:
        parts.setdefault(key(row)[:1], array("I")).append(row)
    for first in sorted(parts):
        yield from sorted(parts[first], key=key)
