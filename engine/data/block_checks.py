"""One block of rows through every check that looks at rows, in any process."""

from __future__ import annotations

import os
import time
from array import array
from collections import Counter
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from tunewright.engine.data.checks.check import (
    Family,
    Hits,
    Looked,
    Options,
    families,
)
from tunewright.engine.data.readers.block import Block
from tunewright.engine.data.shapes.find import Bound, Finder, parse_row, shape_named


class Done(NamedTuple):
    """One block, looked at."""

    lines: array[int]
    # As `Looked.number`; None: the lines.
    numbers: array[int] | None
    usable: int
    shapes: Counter[str]
    bounds: dict[str, Bound]
    hits: Hits
    parts: dict[str, Any]
    seconds: dict[str, float]


def look_at_block(block: Block, options: Options) -> Done:
    """All families over the rows of a block. Runs in any process."""
    seconds: dict[str, float] = {}
    start = time.process_time()
    finder = _finder(options.format)
    wanted = None if options.shape is None else shape_named(options.shape)
    rows: list[Looked] = []
    shapes: Counter[str] = Counter()
    bounds: dict[str, Bound] = {}
    usable = 0
    lines, named = array("I"), False
    for raw in block.rows():
        lines.append(raw.line)
        named = named or raw.row is not None
        if raw.wrong is not None:
            rows.append(Looked(raw.number, None, None, None, (raw.wrong,)))
            continue
        bound = finder.find(raw.value)
        if bound is not None:
            shapes[bound.shape.name] += 1
            bounds.setdefault(bound.shape.name, bound)
        parsed = parse_row(raw.value, bound, wanted)
        notes = [] if raw.note is None else [raw.note]
        if isinstance(parsed, list):
            rows.append(Looked(raw.number, raw.value, bound, None, [*notes, *parsed]))
        else:
            usable += 1
            rows.append(Looked(raw.number, raw.value, bound, parsed, notes))
    seconds["reading"] = time.process_time() - start
    hits = Hits()
    parts: dict[str, Any] = {}
    for family in all_families():
        if family.look is None or family.name in options.skip:
            continue
        start = time.process_time()
        part = family.look(rows, hits, options)
        if part is not None:
            parts[family.name] = part
        seconds[family.name] = time.process_time() - start
    numbers = array("I", [row.number for row in rows]) if named else None
    return Done(lines, numbers, usable, shapes, bounds, hits, parts, seconds)


# What a process finds out once: the shapes of rows by their keys, the files with checks.
@lru_cache(maxsize=4)
def _finder(asked: str) -> Finder:
    return Finder(asked)


@lru_cache(maxsize=1)
def all_families() -> tuple[Family, ...]:
    return families()


def look_at_first(block: Block, options: Options) -> tuple[str | None, Done]:
    """The shape of most rows of the first block, and all families over it under that shape."""
    shape = _first_shape(block, options)
    return shape, look_at_block(block, msgspec.structs.replace(options, shape=shape))


def _first_shape(block: Block, options: Options) -> str | None:
    """The shape of most rows of the first block."""
    finder = Finder(options.format)
    counts = Counter(
        bound.shape.name
        for row in block.rows()
        if row.wrong is None and (bound := finder.find(row.value)) is not None
    )
    return counts.most_common(1)[0][0] if counts else None


def alone() -> None:
    """A worker is one of several: its tokenizer takes one core."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
