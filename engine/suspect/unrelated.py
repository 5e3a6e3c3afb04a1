"""Do answers have to do with their inputs? A test against shuffled answers, by words alone.

Two signs are looked at. Where answers repeat (labels), rows whose inputs share rare words should
share their label more often than chance. Where answers are made of words of their inputs
(extraction, rewriting), an answer should share more words with its own input than with another's.
Where neither can be expected (translation, arithmetic), nothing is said.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Sequence
from math import fsum
from typing import TypeVar

import msgspec

from tunewright.engine.data.alike import asked_of, words_of
from tunewright.engine.data.example import Example

T = TypeVar("T")

FEWEST_ROWS = 60
_MOST_ROWS = 600
_SHUFFLES = 200
# Shuffled rows pass 1 time in 50 by chance; a set with a real relation that fails is rarer still.
RELATED_P = 0.02
_MOST_LABELS = 0.2
_NEIGHBOURS = 3
# Words in more rows than this share tell nothing of one row.
_COMMON = 0.25


class Relation(msgspec.Struct, frozen=True):
    """`told`: the figure of the rows, and what shuffled answers give."""

    related: bool
    told: str


def relation(examples: Sequence[Example]) -> Relation | None:
    """Whether answers go with their inputs; None where words cannot tell."""
    if len(examples) > _MOST_ROWS:
        examples = random.Random(0).sample(list(examples), _MOST_ROWS)
    if len(examples) < FEWEST_ROWS:
        return None
    asked = [set(words_of(asked_of(e))) for e in examples]
    answers = [" ".join(words_of(e.messages[-1].content)) for e in examples]
    distinct = len(set(answers))
    if distinct < 2:
        return None
    if distinct <= _MOST_LABELS * len(answers):
        return _by_labels(asked, answers)
    return _by_words(asked, [set(answer.split()) for answer in answers])


def _by_labels(asked: Sequence[set[str]], labels: Sequence[str]) -> Relation | None:
    near = _neighbours(asked)
    pairs = [(row, other) for row, others in enumerate(near) for other in others]
    if len(pairs) < FEWEST_ROWS:
        return None  # inputs share no telling word: nothing can be said

    def agreement(of: Sequence[str]) -> float:
        return sum(of[a] == of[b] for a, b in pairs) / len(pairs)

    return _judged(
        agreement(labels),
        [agreement(other) for other in _shuffled(labels)],
        "similar inputs have the same answer in {:.0%} of pairs, {:.0%} when shuffled",
    )


def _by_words(asked: Sequence[set[str]], answers: Sequence[set[str]]) -> Relation | None:
    common = Counter(word for words in answers for word in words)
    rare = [{w for w in words if common[w] <= _COMMON * len(answers)} for words in answers]
    rows = [row for row, words in enumerate(rare) if words]
    if len(rows) < FEWEST_ROWS:
        return None
    inputs = {word for words in asked for word in words}
    if fsum(len(rare[row] & inputs) / len(rare[row]) for row in rows) < 0.2 * len(rows):
        return None  # answers are made of other words than inputs: sharing none is no sign

    def overlap(order: Sequence[int]) -> float:
        return fsum(
            len(rare[answer] & asked[row]) / len(rare[answer])
            for row, answer in zip(rows, order, strict=True)
        ) / len(rows)

    return _judged(
        overlap(rows),
        [overlap(other) for other in _shuffled(rows)],
        "{:.0%} of an answer's telling words stand in its input, {:.0%} when shuffled",
    )


def _judged(seen: float, shuffled: Sequence[float], told: str) -> Relation:
    mean = fsum(shuffled) / len(shuffled)
    # Less than by chance is a relation too: equal terms never have equal sums.
    as_far = sum(abs(value - mean) >= abs(seen - mean) - 1e-12 for value in shuffled)
    p = (as_far + 1) / (len(shuffled) + 1)
    return Relation(p < RELATED_P, told.format(seen, mean))


def _shuffled(values: Sequence[T]) -> list[list[T]]:
    rng = random.Random(0)
    made = []
    for _ in range(_SHUFFLES):
        order = list(values)
        rng.shuffle(order)
        made.append(order)
    return made


def _neighbours(asked: Sequence[set[str]]) -> list[list[int]]:
    """For each row the few others that share its rarest words; none where nothing rare is
    shared."""
    holders: dict[str, list[int]] = {}
    for row, words in enumerate(asked):
        for word in words:
            holders.setdefault(word, []).append(row)
    most = _COMMON * len(asked)
    found = []
    for row, words in enumerate(asked):
        weight: dict[int, float] = {}
        for word in words:
            if 1 < len(holders[word]) <= most:
                for other in holders[word]:
                    weight[other] = weight.get(other, 0.0) + 1 / len(holders[word])
        weight.pop(row, None)
        found.append(heapq.nlargest(_NEIGHBOURS, weight, key=lambda other: (weight[other], -other)))
    return found
