"""How good an answer is, row by row, from texts alone: no model, no tokenizer."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, Literal

import msgspec

AnswerKind = Literal["json", "short", "text"]


class Scores(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry a row. `valid` is empty unless `kind` is "json"; `f1` is over (path, value) pairs
    for "json" and over words otherwise. Everything lies in 0..1."""

    kind: AnswerKind
    exact: tuple[int, ...]
    f1: tuple[float, ...]
    valid: tuple[int, ...] = ()


def score_answers(wants: Sequence[str], gots: Sequence[str], kind: AnswerKind) -> Scores:
    """Score `gots` against the reference answers `wants`, row by row.

    "json": `valid` asks for one strict JSON object (see `parse_object`), `exact` for an equal one
    (order of keys is free, types matter: 3 is not "3", nor 3.0), `f1` for the harmonic mean of
    precision and recall over (path, value) leaves. F1 is taken per row, and a mean over rows is
    therefore the macro F1: every row weighs the same, however many fields it has.

    A row whose reference is no JSON object itself (data may hold a few) is scored as text.

    "short" and "text": `exact` after white space is normalised, `f1` over words as a multiset
    (case and punctuation count; SQuAD's F1 without its English normalisation).

    Raises ValueError when the lengths differ.
    """
    if len(wants) != len(gots):
        raise ValueError(f"{len(wants)} references for {len(gots)} answers")
    if kind == "json":
        return _score_json(wants, gots)
    rows = [_score_words(want, got) for want, got in zip(wants, gots, strict=True)]
    return Scores(kind, tuple(exact for exact, _ in rows), tuple(f1 for _, f1 in rows))


def parse_object(text: str) -> dict[str, Any] | None:
    """The JSON object that `text` is, or None.

    Strict, as a program that reads the answer would have to be: white space around it is fine,
    any other text is not, nor are repeated keys, NaN, Infinity, numbers that overflow to
    infinity, or nesting too deep to read.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _score_json(wants: Sequence[str], gots: Sequence[str]) -> Scores:
    objects = [parse_object(got) for got in gots]
    rows = [
        _score_object(want, got, found)
        for want, got, found in zip(wants, gots, objects, strict=True)
    ]
    return Scores(
        "json",
        tuple(exact for exact, _ in rows),
        tuple(f1 for _, f1 in rows),
        tuple(int(found is not None) for found in objects),
    )


def _score_object(want: str, got: str, found: dict[str, Any] | None) -> tuple[int, float]:
    wanted = parse_object(want)
    if wanted is None:
        return _score_words(want, got)
    if found is None:
        return 0, 0.0
    want_leaves, got_leaves = _leaves(wanted), _leaves(found)
    return int(want_leaves == got_leaves), _f1(want_leaves, got_leaves)


def _score_words(want: str, got: str) -> tuple[int, float]:
    want_words, got_words = want.split(), got.split()
    return int(want_words == got_words), _f1(Counter(want_words), Counter(got_words))


def _leaves(value: dict[str, Any]) -> Counter[Hashable]:
    """Every leaf as (path, type, value); an empty container is a leaf, so it cannot go unseen.

    Two objects are equal exactly when their leaves are.
    """
    found: Counter[Hashable] = Counter()
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, dict) and node:
            stack.extend(((*path, key), child) for key, child in node.items())
        elif isinstance(node, list) and node:
            stack.extend(((*path, index), child) for index, child in enumerate(node))
        else:
            leaf = None if isinstance(node, (dict, list)) else node
            found[(path, type(node).__name__, leaf)] += 1
    return found


def _f1(want: Counter[Any], got: Counter[Any]) -> float:
    """2·overlap / (|want| + |got|); 1 when both are empty."""
    total = want.total() + got.total()
    return 2 * (want & got).total() / total if total else 1.0


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key is repeated")
    return made


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value
