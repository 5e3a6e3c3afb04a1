"""The instruction that a base model is given: what is wanted, and what its answers look like.

Written from what a person said of the goal and from the training answers; never from held-out rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tunewright.engine.evidence.result import AnswerForm
from tunewright.engine.prove.score import parse_object

_KINDS = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
_MOST_SAMPLES = 200


def write_instruction(goal: str | None, form: AnswerForm, answers: Sequence[str]) -> str:
    """The instruction in a few sentences. `answers` are those of training rows."""
    task = f"{goal.strip().rstrip('.')}. " if goal and goal.strip() else ""
    return task + _FORMS[form](answers[:_MOST_SAMPLES])


def _json(answers: Sequence[str]) -> str:
    objects = [found for answer in answers if (found := parse_object(answer)) is not None]
    keys = Counter(key for one in objects for key in one)
    always = [key for key, count in keys.items() if count >= 0.9 * len(objects)]
    values = {key: next(one[key] for one in objects if key in one) for key in keys}
    told = ", ".join(
        f"{json.dumps(key, ensure_ascii=False)} ({_kind(values[key])}"
        + (")" if key in always else ", only where it is known)")
        for key in keys
    )
    return f"Answer with one JSON object and nothing else. Its keys: {told}."


def _kind(value: Any) -> str:
    return next((name for kind, name in _KINDS.items() if type(value) is kind), "an object")


def _labels(answers: Sequence[str]) -> str:
    labels = sorted({" ".join(answer.split()) for answer in answers})
    return f"Answer with one of these and nothing else: {', '.join(labels)}."


def _short(answers: Sequence[str]) -> str:
    longest = max(len(answer.split()) for answer in answers)
    words = f"at most {longest} words" if longest > 1 else "one word"
    return f"Answer with the answer alone, in {words}, without a sentence around it."


def _text(answers: Sequence[str]) -> str:
    lengths = sorted(len(answer.split()) for answer in answers)
    return f"Answer in about {lengths[len(lengths) // 2]} words."


_FORMS = {"json": _json, "labels": _labels, "fact": _short, "short": _short, "text": _text}
