"""Which question comes next: none that facts answer, and none that no longer matters."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache
from itertools import product
from typing import Any

import msgspec

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.case import FEW, Case, case_of
from tunewright.engine.decide.facts import Facts
from tunewright.engine.decide.guide import TRAINS
from tunewright.engine.decide.questions import BY_ID, QUESTIONS, Question, fact_answer
from tunewright.engine.decide.settle import decided, settle

# Those that the rules read; `goal` is kept as it is, `data` is how facts are found.
JUDGED = tuple(question.id for question in QUESTIONS if question.id not in ("goal", "data"))


def next_question(answers: Answers, facts: Facts) -> Question | None:
    """The first question in order that is open and can still change the verdict, or the training
    that follows from it. None when all that matters is known.

    `goal` is asked first, for the record. `data` is asked where its rows would answer the next one.
    """
    if answers.goal is None:
        return BY_ID["goal"]
    if answers.data is None and facts.rows is None:
        wanted = _first(answers, facts)
        return BY_ID["data"] if wanted in ("examples", "quality") else _question(wanted)
    return _question(_first(answers, facts))


def open_questions(answers: Answers, facts: Facts) -> tuple[str, ...]:
    """Ids of the open questions that can still change the verdict, in order."""
    judged = _judged(answers)
    if not _varies(judged, facts, settle):
        return ()
    return tuple(id for id in JUDGED if _matters(id, judged, facts, settle))


def _question(id: str | None) -> Question | None:
    return None if id is None else BY_ID[id]


def _judged(answers: Answers) -> Answers:
    return msgspec.structs.replace(answers, goal=None, data=None)


def _first(answers: Answers, facts: Facts) -> str | None:
    judged = _judged(answers)
    if not _varies(judged, facts, outcome):
        return None
    return next((id for id in JUDGED if _matters(id, judged, facts, outcome)), None)


def outcome(case: Case) -> Hashable:
    """What the questions are asked for: the verdict, and whether preference training follows."""
    verdict = settle(case)
    trains = verdict in TRAINS
    return verdict, trains and (case.pairs or 0) >= FEW


@lru_cache(maxsize=4096)
def _varies(answers: Answers, facts: Facts, of: Callable[[Case], Hashable]) -> bool:
    """Whether the open questions together can still make a difference."""
    found = (of(case_of(completed, facts)) for completed in _completions(answers, facts))
    first = next(found)
    return any(other != first for other in found)


@lru_cache(maxsize=16384)
def _matters(id: str, answers: Answers, facts: Facts, of: Callable[[Case], Hashable]) -> bool:
    """Whether some answers to the other open questions exist under which this one makes a
    difference; not answering it is one of its answers."""
    if id not in _open(answers, facts):
        return False
    values = _values(id)
    for completed in _completions(answers, facts, leaving=id):
        first = of(case_of(completed, facts))
        for value in values:
            changed = msgspec.structs.replace(completed, **{id: value})
            if of(case_of(changed, facts)) != first:
                return True
    return False


def _open(answers: Answers, facts: Facts) -> list[str]:
    return [id for id in JUDGED if getattr(answers, id) is None and fact_answer(id, facts) is None]


def _values(id: str) -> list[Any]:
    return [choice.value for choice in BY_ID[id].choices]


def _completions(answers: Answers, facts: Facts, leaving: str | None = None) -> Iterator[Answers]:
    """All ways to answer, or not to answer, what is open; `leaving` one question open. Where the
    first answers decide alone, the others are left open too: they change nothing then, but for
    what is trained on."""
    ids = [id for id in _open(answers, facts) if id != leaving]
    decisive = [id for id in ids if id in _DECISIVE]
    for start in _answered(answers, decisive):
        alone = decided(case_of(start, facts))
        yield from _answered(
            start,
            [
                id
                for id in ids
                if id not in _DECISIVE
                and (alone is None or (id == "preference_pairs" and alone in TRAINS))
            ],
        )


def _answered(answers: Answers, ids: list[str]) -> Iterator[Answers]:
    for values in product(*([None, *_representatives(id)] for id in ids)):
        yield msgspec.structs.replace(answers, **dict(zip(ids, values, strict=True)))


# The questions that the deciding rules read.
_DECISIVE = ("external_lookup", "prompting", "knowledge")

# Answers that lead to no other verdict than leaving the question open, or than another answer of it
# does. They only save time: a test walks all answers, these too.
_LIKE_ANOTHER: dict[str, tuple[Any, ...]] = {
    "external_lookup": (False,),
    "knowledge": ("none", "changes_daily"),
    "quality": ("mixed", "unknown"),
    "repetitive": (False,),
    "token_cost_critical": (False,),
    "latency_critical": (False,),
    "domain_terms": (False,),
    "preference_pairs": (0,),
}


def _representatives(id: str) -> list[Any]:
    return [value for value in _values(id) if value not in _LIKE_ANOTHER.get(id, ())]
