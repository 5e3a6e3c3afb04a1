"""Reward scores: an answer with a number that says how good it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.judged import bind_judged, parse_judged
from tunewright.engine.data.shapes.shape import Names, Parsed, Shape, alias, told

_SCORES = ("score", "reward", "rating", "helpfulness", "overall_score", "quality")


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    name = alias(row, _SCORES, (int, float))
    return None if name is None else bind_judged(row, "score", name)


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    at = names["score"]
    value = row.get(at)
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return [Wrong(at, told(value), "a number", "label.missing")]
    normal = parse_judged(row, names)
    if isinstance(normal, list):
        return normal
    return normal._replace(kind="scored", score=float(value))


SHAPE = Shape(
    name="reward",
    kind="scored",
    title="an answer and its score",
    needs=("prompt", "completion", "score"),
    reads=("prompt", "completion", "messages", "conversations", "score", "system", "tools"),
    turns=("messages", "prompt", "completion", "conversations"),
    bind=_bind,
    parse=_parse,
)
