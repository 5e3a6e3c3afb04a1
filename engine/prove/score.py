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

    "short" and "text": `exact` after white space is normalised, `f1` over words as a multiset
    (case and punctuation count; SQuAD's F1 without its English normalisation).

    Raises ValueError when the lengths differ, or when a "json" reference is not a JSON object.
    """
    if len(wants) != len(gots):
        raise ValueError(f"{len(wants)} references for {len(gots)} answers")
    if kind == "json":
        return _score_json(wants, gots)
    exact = []
    f1 = []
    for want, got in zip(wants, gots, strict=True):
        want_words, got_words = want.split(), got.split()
        exact.append(int(want_words == got_words))
        f1.append(_f1(Counter(want_words), Counter(got_words)))
    return Scores(kind, tuple(exact), tuple(f1))


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
    valid, exact, f1 = [], [], []
    for row, (want_text, got_text) in enumerate(zip(wants, gots, strict=True)):
        want = parse_object(want_text)
        if want is None:
            raise ValueError(f"reference {row} is not a strict JSON object")
        got = parse_object(got_text)
        valid.append(int(got is not None))
        want_leaves = _leaves(want)
        got_leaves = _leaves(got) if got is not None else Counter()
        exact.append(int(got is not None and want_leaves == got_leaves))
        f1.append(_f1(want_leaves, got_leaves) if got is not None else 0.0)
    return Scores("json", tuple(exact), tuple(f1), tuple(valid))


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
