"""Records that are no rows: larger ones that hold several, or parts of which several make one.

What a file holds is found by looking at its first records. A kind is one file in this folder, and a
line in `_FINDERS`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from tunewright.engine.data.nests import records, trees, turns, wrapped
from tunewright.engine.data.readers.block import Block, RawRow

# The line on which an object inside of a record begins, if that is known.
LineOf = Callable[[Any], int | None]
# Records of a file, in order -> the rows that they mean, numbered from 1.
Nest = Callable[[Iterator[RawRow], LineOf], Iterator[RawRow]]

_FINDERS: tuple[Callable[[list[Any]], Nest | None], ...] = (
    trees.find,
    turns.find,
    records.find,
    wrapped.find,
)
# Records that are looked at; a block of rows.
_LOOKED_AT = 20
_ROWS = 1000


def nest_of(rows: Iterator[RawRow]) -> Nest | None:
    """What the first of some records hold; None where they are rows."""
    first = itertools.islice(rows, _LOOKED_AT)
    values = [row.value for row in first if row.wrong is None and isinstance(row.value, dict)]
    found = (find(values) for find in _FINDERS) if values else iter(())
    return next((nest for nest in found if nest is not None), None)


def unfolded(blocks: Iterator[Block]) -> Iterator[Block]:
    """The blocks of a file as they are, or blocks of the rows that its records hold."""
    first = next(blocks, None)
    if first is None:
        return
    blocks = itertools.chain((first,), blocks)
    nest = None if first.side is not None else nest_of(first.rows())
    if nest is None:
        yield from blocks
        return
    rows = nest((row for block in blocks for row in block.rows()), lambda value: None)
    yield from as_blocks(rows)


def as_blocks(rows: Iterator[RawRow]) -> Iterator[Block]:
    """Rows in blocks."""
    while made := tuple(itertools.islice(rows, _ROWS)):
        yield Block(made[0].line, made=made)
