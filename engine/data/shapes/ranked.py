"""Several answers to one prompt, and which is better: by scores or ranks of a list (UltraFeedback,
Nectar, StackExchange), or by a judgement of two columns (SHP, PKU-SafeRLHF, HelpSteer2, arenas).
The best and the worst become a pair."""

from __future__ import annotations

import math
from collections.abc import Mapping
from shlex import quote
from typing import Any

from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.better import (
    JUDGES,
    TIE,
    better_of,
    counts_from,
    is_number,
    is_unclear,
)
from tunewright.engine.data.shapes.preference import parse_pair
from tunewright.engine.data.shapes.prompt_completion import ASKED
from tunewright.engine.data.shapes.shape import Names, Parsed, Shape, alias, joined, told

LISTS = ("completions", "answers", "responses", "candidates", "generations", "outputs")
_SAID = ("response", "answer", "text", "completion", "content", "output", "body")
# The first that an answer has judges it; a rank is better the smaller it is.
_SCORES = (
    "overall_score", "score", "pm_score", "reward", "rating", "fine-grained_score", "quality",
    "helpfulness", "upvotes", "votes",
)  # fmt: skip
_RANKS = ("rank", "ranking")
# 1 or true for the better ones of a list, 0 or false for the worse.
_MARKS = (
    "label", "is_correct", "correct", "is_chosen", "chosen", "selected", "accepted", "preferred",
)  # fmt: skip
# A list of scores or ranks beside the list of answers.
_BESIDE = ("ratings", "scores", "rewards", "ranks", "rankings", "rating", "score", "rank", "labels")
# Two answers in columns of their own.
_COLUMNS = (
    ("response_0", "response_1"), ("response_1", "response_2"), ("response_a", "response_b"),
    ("answer_0", "answer_1"), ("answer_1", "answer_2"), ("answer_a", "answer_b"),
    ("output_1", "output_2"), ("output_a", "output_b"), ("completion_a", "completion_b"),
    ("completion_1", "completion_2"), ("human_ref_a", "human_ref_b"),
    ("conversation_a", "conversation_b"), ("model_a_response", "model_b_response"),
    ("response1", "response2"), ("summary_a", "summary_b"),
)  # fmt: skip


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    asked = alias(row, (*ASKED, "history", "post"), (str, list))
    beside = {} if asked is None else {"prompt": asked}
    if asked is None and isinstance(row.get("question"), dict) and "full_text" in row["question"]:
        beside = {"prompt": "question.full_text"}
    system = alias(row, ("system", "system_prompt"), (str,))
    beside |= {} if system is None else {"system": system}
    listed = alias(row, LISTS, (list,))
    if listed is not None and asked is not None and row[listed]:
        first = row[listed][0]
        beside_it = alias(row, _BESIDE, (list,))
        if beside_it is not None and beside_it != listed and _said_of(first, listed) is not None:
            return {"answers": listed, "scores": beside_it, **beside}, 0.8
        if is_judged(first):
            return {"answers": listed, **beside}, 0.8
    two = row.get("summaries")
    if isinstance(two, list) and len(two) == 2 and "choice" in row and "info" in row:
        # Summaries that people compared: what was summarised stands beside its title.
        return {
            "first": "summaries[0].text",
            "second": "summaries[1].text",
            "judge": "choice",
            "prompt": "info.post",
        }, 0.8
    for names in _COLUMNS:
        pair = [alias(row, (name,), (str, list)) for name in names]
        judge = alias(row, JUDGES, (str, int, float))
        scores = _scores_beside(row, names)
        if None in pair or (judge is None and not scores):
            continue
        if any(alias(row, (name,), (str, list)) for name in _more(names)):
            # Of three answers a judgement of two tells nothing.
            return None
        both = {"first": str(pair[0]), "second": str(pair[1])}
        if judge is not None:
            bound = {**both, "judge": judge, **beside}
            columns = both["first"], both["second"]
            if not isinstance(row[judge], str) and is_unclear(judge, columns):
                bound["count_from"] = counts_from(judge, columns)
            return bound, 0.8
        return {**both, "score_first": scores[0], "score_second": scores[1], **beside}, 0.8
    return None


def _more(names: tuple[str, str]) -> list[str]:
    """The columns that a third answer would have: response_2 and response_c of others."""
    first, second = names
    at = next(at for at, (a, b) in enumerate(zip(first, second, strict=True)) if a != b)
    marks = "abc" if first[at] == "a" else "0123"
    every = (f"{first[:at]}{mark}{first[at + 1 :]}" for mark in marks)
    return [name for name in every if name not in names]


def _scores_beside(row: Mapping[str, Any], names: tuple[str, str]) -> list[str]:
    """score_0 and score_1 beside answer_0 and answer_1."""
    ends = [name[-1] for name in names]
    for word in ("score_", "rating_", "reward_", "score", "winner_model_"):
        found = [alias(row, (word + end,), (int, float, str)) for end in ends]
        if None not in found:
            return [str(name) for name in found]
    return []


def is_judged(answer: Any) -> bool:
    """Whether an answer of a list bears its score, rank or mark."""
    by = _judged_by(answer) if isinstance(answer, dict) else None
    return by is not None and any(name in answer for name in _SAID)


def _judged_by(answer: Mapping[str, Any]) -> str | None:
    scored = (name for name in (*_SCORES, *_RANKS) if _number(answer.get(name)) is not None)
    marked = (name for name in _MARKS if answer.get(name) in (0, 1))
    return next(scored, None) or next(marked, None)


def _said_of(answer: Any, at: str) -> tuple[Any, str] | None:
    """(text or turns, its field) of one answer of a list."""
    if isinstance(answer, str):
        return answer, at
    name = next((name for name in _SAID if name in answer), None) if answer else None
    return None if name is None or not isinstance(answer, dict) else (answer[name], f"{at}.{name}")


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    if "first" not in names or "second" not in names:
        return _of_list(row, names)
    if names.get("prompt") not in row:
        # Dialogues that were compared begin with their prompt.
        names = {ours: name for ours, name in names.items() if ours != "prompt"}
    columns = names["first"], names["second"]
    sides = [(row.get(column), column) for column in columns]
    expected, counted = "the better of two", False
    if "judge" in names:
        at = names["judge"]
        start = names.get("count_from", "")
        better = better_of(row, at, columns, start if start in ("0", "1") else "")
        expected += f", {columns[0]} or {columns[1]}"
        counted = is_number(row.get(at))
        if counted:
            other = "1" if (start or counts_from(at, columns)) == "0" else "0"
            expected += f"; numbers from {other}: {_asked(names, other)}"
    else:
        at = names.get("score_first", "score_first")
        scores = [_number(row.get(names.get(key, key))) for key in ("score_first", "score_second")]
        if scores[0] is None or scores[1] is None:
            better = None
        else:
            better = TIE if scores[0] == scores[1] else int(scores[1] > scores[0])
    if better is None:
        id = "label.number" if counted else "label.missing"
        return [Wrong(at, told(row.get(at)), expected, id)]
    if better == TIE:
        return [Wrong(at, "neither is better", "a better answer and a worse one", "pair.tie")]
    return parse_pair(row, names, sides[better], sides[1 - better])


def _otherwise(names: Names) -> str:
    if "count_from" not in names:
        return ""
    means = {
        "0": "its numbers count from 0",
        "1": "its numbers count from 1",
    }.get(names["count_from"], "1 means the first, and 0 the second")
    other = "1" if names["count_from"] == "0" else "0"
    return f"{names['judge']}: {means}; from {other}: {_asked(names, other)}"


def _asked(names: Names, start: str) -> str:
    """How to ask for two columns whose judge counts from `start`."""
    keys = ("prompt", "first", "second", "judge")
    fields = ",".join(f"{key}={names[key]}" for key in keys if key in names)
    return f"--format {quote(f'ranked:{fields},count_from={start}')}"


def _score_of(answer: Any) -> float | None:
    """How good one answer of a list is, by its own score, rank or mark."""
    by = _judged_by(answer) if isinstance(answer, dict) else None
    if by is None:
        return None
    score = float(answer[by])
    return -score if by in _RANKS else score


def _of_list(row: Mapping[str, Any], names: Names) -> Parsed:
    at = names.get("answers", "answers")
    answers = row.get(at)
    if not isinstance(answers, list):
        return [Wrong(at, told(answers), "a list of answers with scores")]
    scores, scores_at = None, names.get("scores")
    if scores_at is not None:
        scores = row.get(scores_at)
        if not isinstance(scores, list) or len(scores) != len(answers):
            return [Wrong(scores_at, told(scores), "a score for each answer", "label.missing")]
    judged: list[tuple[float, int, Any, str]] = []
    for number, answer in enumerate(answers):
        said = _said_of(answer, f"{at}[{number}]")
        score = _score_of(answer) if scores is None else _number(scores[number])
        if scores_at is not None and score is not None and joined(scores_at)[:4] == "rank":
            score = -score
        if said is not None and score is not None:
            # Some answers of large sets were never judged.
            judged.append((score, -number, *said))
    if len(judged) < 2 or max(judged)[0] == min(judged)[0]:
        found = "fewer than two answers with scores" if len(judged) < 2 else "equal scores"
        return [Wrong(at, found, "a better answer and a worse one", "pair.tie")]
    by_score = sorted(judged, key=lambda one: one[:2])
    return parse_pair(row, names, by_score[-1][2:], by_score[0][2:])


SHAPE = Shape(
    name="ranked",
    kind="preference",
    title="several answers, and which is better",
    needs=("prompt", "answers"),
    reads=(
        "prompt",
        "answers",
        "first",
        "second",
        "judge",
        "count_from",
        "score_first",
        "score_second",
        "system",
    ),
    turns=(),
    bind=_bind,
    parse=_parse,
    otherwise=_otherwise,
)
