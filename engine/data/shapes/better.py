"""Which of two answers a judgement means: by the name of its column, by the name of the model that
gave it, by a word or a letter, or by a number, which counts as the columns do."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.shapes import reward
from tunewright.engine.data.shapes.shape import joined

FIRST, SECOND = 0, 1
TIE = -1
# How much better: below 0 the first is, above it the second.
_STRENGTHS = ("preference_strength", "overall_preference")
# An index counts from 0, whatever its columns are called.
_INDICES = ("chosen_index", "preferred_index")
# Where the columns bear letters, these are indices too; all others are 1 or 2 there.
_FROM_0 = ("choice", "better_response_id", *_INDICES)
# SHP's: whether the first is better.
_SHP = "labels"
WHETHER = "whether"
JUDGES = (
    "better_response_id", *_INDICES, *_STRENGTHS, "winner", "preferred", "better", "verdict",
    "choice", "preference", _SHP,
)  # fmt: skip
_TIES = re.compile(r"(?<![a-z])(?:tie[sd]?|draw|both|bothbad|neither|equal)(?![a-z])")
_WORDS = ({"first", "left"}, {"second", "right"})
# A letter or a number, alone or after a word for an answer: a model may be called llama_a.
_MARKED = re.compile(
    r"(?:(?:model|response|answer|assistant|output|completion|candidate|option|summary|system"
    r"|conversation|human_ref)[ _-]?)?([ab]|\d)"
)


def better_of(
    row: Mapping[str, Any], judge: str, columns: tuple[str, str], start: str
) -> int | None:
    """`FIRST`, `SECOND` or `TIE`, as row[judge] says of two columns; None where it says nothing.
    `start`: from what its numbers count, where somebody has said so, else ""."""
    value, name = row.get(judge), joined(judge)
    if value is None or isinstance(value, bool):
        return None
    if is_number(value):
        number = float(value)
        if name in _STRENGTHS:
            return TIE if number == 0 else (FIRST if number < 0 else SECOND)
        return _by_number(number, name, columns, start)
    said = str(value).strip().strip("[]()").lower()
    for names in ((joined(column) for column in columns), _models(row, columns)):
        found = [at for at, one in enumerate(names) if one and said in (one, joined(one))]
        if found:
            return found[0] if len(found) == 1 else None
    if _TIES.search(said):
        return TIE
    for at, words in enumerate(_WORDS):
        if said in words or said.rsplit("_", 1)[-1] in words:
            return at
    marked = _MARKED.fullmatch(said)
    if marked is None:
        return None
    if marked[1] in "ab":
        return "ab".index(marked[1])
    return _by_number(float(marked[1]), name, columns, start)


def is_number(value: Any) -> bool:
    """Whether a judgement is a number, or the text of one."""
    if isinstance(value, str):
        return reward.is_number(value)
    finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return finite and not isinstance(value, bool)


def _by_number(number: float, name: str, columns: tuple[str, str], start: str) -> int | None:
    if number == 1.5:
        return TIE
    start = start or counts_from(name, columns)
    if start == WHETHER:
        return {1.0: FIRST, 0.0: SECOND}.get(number)
    return {0.0: FIRST, 1.0: SECOND}.get(number - int(start))


def counts_from(judge: str, columns: tuple[str, str]) -> str:
    """From what the numbers of a judge count, "0" or "1"; `WHETHER` where 1 is the first's."""
    marks, name = _marks(columns), joined(judge)
    if _numbered(columns) and name not in _INDICES:
        return marks[0]
    if name == _SHP:
        return WHETHER
    return "0" if name in _FROM_0 else "1"


def is_unclear(judge: str, columns: tuple[str, str]) -> bool:
    """Whether nothing but a habit says what the numbers of a judge mean."""
    name = joined(judge)
    if name in _STRENGTHS:
        return False
    if _numbered(columns):
        return name in _INDICES and _marks(columns)[0] != "0"
    return name not in _INDICES and not (name == _SHP and "human_ref" in columns[0].lower())


def _marks(columns: tuple[str, str]) -> tuple[str, str]:
    """What tells two names apart: 0 and 1 of response_0 and response_1."""
    first, second = columns
    while first and second and first[0] == second[0]:
        first, second = first[1:], second[1:]
    while first and second and first[-1] == second[-1]:
        first, second = first[:-1], second[:-1]
    return first.lower(), second.lower()


def _numbered(columns: tuple[str, str]) -> bool:
    return _marks(columns) in (("0", "1"), ("1", "2"))


def _models(row: Mapping[str, Any], columns: tuple[str, str]) -> list[str]:
    """Which models gave the two answers, in small letters; "" where the row does not tell."""
    by_name = {joined(str(key)): value for key, value in row.items()}
    found = []
    for mark, column in zip(_marks(columns), columns, strict=True):
        names = (f"model_{mark}", f"model{mark}", f"{joined(column)}_model", f"model_name_{mark}")
        given = next((by_name[name] for name in names if isinstance(by_name.get(name), str)), "")
        found.append(given.strip().lower())
    return found
