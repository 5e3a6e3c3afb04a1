"""How long the rows are: in tokens under a tokenizer, and what a length would cut off them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tunewright.engine.data.checks.check import Family, Hits, Kind, Looked, Options
from tunewright.engine.data.checks.total import Total
from tunewright.engine.data.example import Example, Place
from tunewright.engine.text import agreeing
from tunewright.hardware.errors import Problem

if TYPE_CHECKING:
    from tunewright.engine.data.shapes.shape import Normal
    from tunewright.engine.data.tokens import Renderer

_BARS = 40

KINDS = (
    Kind(
        "length.cut",
        "warn",
        "{count} rows ({share}) are longer than the chosen length",
        "choose a greater --max-length, or split these rows; to remove them: --fix drop=length.cut",
        ("drop=length.cut",),
        error_from=0.05,
    ),
    Kind(
        "length.outlier",
        "info",
        "a few rows are far longer than the rest: they decide how much memory is needed",
        "look at them; to remove them: --fix drop=length.outlier",
        ("drop=length.outlier",),
    ),
    Kind(
        "template.refuses",
        "error",
        "{count} rows are refused by the model's chat template",
        "see the reason beside each; another model's template may take them",
    ),
)


class Lengths(msgspec.Struct, frozen=True):
    """Lengths of all rows in `unit` ("tokens" of a tokenizer, else "characters"). `histogram`:
    rows in equal steps from `low` to `high`. `cut_rows` are longer than `max_length` and would lose
    `lost` tokens."""

    unit: str
    total: int
    low: int
    p50: int
    p95: int
    p99: int
    high: int
    histogram: tuple[int, ...]
    max_length: int | None = None
    cut_rows: int = 0
    lost: int = 0


@lru_cache(maxsize=1)
def _renderer(folder: str) -> Renderer:
    from tunewright.engine.data.tokens import Renderer

    return Renderer.open(Path(folder))


def whole_texts(normal: Normal, renderer: Renderer, place: Place) -> list[str]:
    """What is trained of a row, rendered: one text, or that of both answers of a pair."""
    if normal.text is not None:
        return [normal.text]
    if normal.chosen:
        return [
            renderer.whole_text(Example((*normal.messages, *answer), place, normal.tools))
            for answer in (normal.chosen, normal.rejected)
        ]
    return [renderer.whole_text(Example(normal.messages, place, normal.tools))]


def look(rows: Sequence[Looked], hits: Hits, options: Options) -> array[int]:
    lengths = array("I")
    if options.tokenizer is None:
        lengths.extend(row.length for row in rows)
        return lengths
    renderer = _renderer(options.tokenizer)
    texts: list[str] = []
    owners: list[int] = []
    for at, row in enumerate(rows):
        lengths.append(0)
        if row.normal is None:
            continue
        try:
            whole = whole_texts(row.normal, renderer, Place("row", row.number))
        except Problem as problem:
            hits.add("template.refuses", row.number, row.normal.answer_field, problem.why)
            continue
        texts += whole
        owners += [at] * len(whole)
    for owner, count in zip(owners, renderer.count_all(texts), strict=True):
        lengths[owner] = max(lengths[owner], count)
    return lengths


class _Lengths:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._lengths = array("I")

    def add(self, part: Any, side: str) -> None:
        self._lengths.extend(part)

    def finish(self, total: Total) -> None:
        ordered = sorted(length for length in self._lengths if length)
        if not ordered:
            return
        most = self._options.max_length
        low, high = ordered[0], ordered[-1]
        p99 = quantile(ordered, 0.99)
        counts = [0] * min(_BARS, high - low + 1)
        for length in ordered:
            counts[(length - low) * len(counts) // (high - low + 1)] += 1
        cut = [row for row, n in enumerate(self._lengths) if most is not None and n > most]
        tokens = self._options.tokenizer is not None
        lost = sum(self._lengths[row] - (most or 0) for row in cut)
        total.extra["lengths"] = Lengths(
            unit="tokens" if tokens else "characters",
            total=sum(ordered),
            low=low,
            p50=quantile(ordered, 0.5),
            p95=quantile(ordered, 0.95),
            p99=p99,
            high=high,
            histogram=tuple(counts),
            max_length=most,
            cut_rows=len(cut) if tokens else 0,
            lost=lost if tokens else 0,
        )
        unit = "tokens" if tokens else "characters"
        if tokens and cut:
            shown = {row: f"{self._lengths[row]:,} tokens" for row in cut[:40]}
            total.add_rows("length.cut", cut, "answer", shown)
            share = len(cut) / len(ordered)
            total.add_set(
                "length.cut",
                agreeing(
                    f"{len(cut):,} rows ({share:.1%}) are longer than {most:,} tokens: {lost:,} "
                    "tokens would be lost from the end, where the answer stands"
                ),
            )
        # Twenty times the middle, and twice what nearly all rows keep to.
        limit = max(20 * quantile(ordered, 0.5), 2 * p99)
        far = [row for row, length in enumerate(self._lengths) if length > limit]
        if far:
            shown = {row: f"{self._lengths[row]:,} {unit}" for row in far[:40]}
            total.add_rows("length.outlier", far, "row", shown)


def quantile(ordered: Sequence[int], share: float) -> int:
    """The value below which `share` of the ordered ones lie."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


FAMILY = Family("lengths", "lengths", KINDS, look, _Lengths)
