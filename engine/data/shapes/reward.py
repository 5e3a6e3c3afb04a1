"""Reward scores: an answer with a number that says how good it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.judged import bind_judged, parse_judged
from tunewright.engine.data.shapes.shape import Names, Parsed, Shape, alias, told

SCORES = ("score", "reward", "rating", "helpfulness", "overall_score", "quality")


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    name = alias(row, SCORES, (int, float))
    if name is None:
        # The cells of a table are text.
        name = alias(row, SCORES, (str,))
        if name is None or not is_number(row[name]):
            return None
    return bind_judged(row, "score", name)


def is_number(value: Any) -> bool:
    """Whether a text is a number."""
    try:
        return math.isfinite(float(value))
    except (ValueError, OverflowError):
        return False


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    at = names["score"]
    value = row.get(at)
    if isinstance(value, str) and is_number(value):
        value = float(value)
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
