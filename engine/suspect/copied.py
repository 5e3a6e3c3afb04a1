"""Answers that are their inputs: nothing was asked for but to repeat."""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.engine.data.example import Example
from tunewright.engine.suspect.similar import asked_of, words_of

# An extract is a part of its input; an answer that holds nearly all of it in its order is a copy.
WHOLE = 0.8


def copied_rows(examples: Sequence[Example]) -> list[int]:
    """Rows whose answer is their last question, word for word, or holds most of it in one piece."""
    return [row for row, example in enumerate(examples) if _is_copy(example)]


def _is_copy(example: Example) -> bool:
    asked = words_of(asked_of(example))
    answer = words_of(example.messages[-1].content)
    if not asked or not answer or len(answer) < WHOLE * len(asked):
        return False
    if len(answer) > len(asked) / WHOLE:
        return False
    joined, other = f" {' '.join(asked)} ", f" {' '.join(answer)} "
    return other in joined or joined in other
