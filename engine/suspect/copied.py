"""Answers that are their inputs: nothing was asked for but to repeat."""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.engine.data.alike import asked_of, is_copy
from tunewright.engine.data.example import Example


def copied_rows(examples: Sequence[Example]) -> list[int]:
    """Rows whose answer is their last question, word for word, or holds most of it in one piece."""
    return [
        row
        for row, example in enumerate(examples)
        if is_copy(asked_of(example), example.messages[-1].content)
    ]
