"""Answers that are judged one by one, shared by KTO (good or bad) and reward scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.shapes import messages, prompt_completion, sharegpt
from tunewright.engine.data.shapes.shape import Names, Parsed

_INNER = (messages.SHAPE, sharegpt.SHAPE, prompt_completion.SHAPE)


def bind_judged(row: Mapping[str, Any], judging: str, named: str) -> tuple[Names, float] | None:
    """The names of a conversation of any shape, and under `judging` that of its judgement."""
    rest = {key: value for key, value in row.items() if key != named}
    for shape in _INNER:
        bound = shape.bind(rest)
        if bound is not None:
            names, sure = bound
            return {**names, judging: named, "inner": shape.name}, min(sure, 0.95)
    return None


def parse_judged(row: Mapping[str, Any], names: Names) -> Parsed:
    """The conversation whose last answer is judged."""
    shape = next(shape for shape in _INNER if shape.name == names["inner"])
    return shape.parse(row, names)
