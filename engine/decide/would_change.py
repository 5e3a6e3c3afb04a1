"""Which other answers would lead to another verdict: found by deciding again with each."""

from __future__ import annotations

from math import ceil
from typing import Any

import msgspec

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.asking import JUDGED
from tunewright.engine.decide.case import case_of
from tunewright.engine.decide.facts import Facts
from tunewright.engine.decide.guide import TITLES, Verdicts
from tunewright.engine.decide.questions import BY_ID, Choice, said_of
from tunewright.engine.decide.settle import settle
from tunewright.engine.decide.verdict import Change


def would_change(answers: Answers, facts: Facts) -> list[Change]:
    """Every single other answer that leads elsewhere, found by deciding again with it."""
    here = settle(case_of(answers, facts))
    changes: list[Change] = []
    for question in (BY_ID[id] for id in JUDGED):
        if question.id == "prompting" and facts.measured is not None:
            continue  # another answer would not change what was measured
        led: dict[Verdicts, list[Choice]] = {}
        for choice in question.choices:
            verdict = settle(case_of(*with_change(answers, facts, question.id, choice.value)))
            led.setdefault(verdict, []).append(choice)
        led.pop(here, None)
        for verdict, choices in led.items():
            changes.append(
                Change(
                    field=question.id,
                    value=choices[0].value,
                    verdict=verdict,
                    sentence=f"if {said_of(question, choices)}: {TITLES[verdict]}",
                )
            )
    return changes


def with_change(answers: Answers, facts: Facts, field: str, value: Any) -> tuple[Answers, Facts]:
    """Answers and facts as they would be with another answer; where facts speak to the same
    question they change with it. More examples are new ones, better ones do not contradict."""
    if field == "examples" and facts.rows is not None:
        share = (facts.conflicting_rows or 0) / facts.rows if facts.rows else 0.0
        facts = Facts(
            rows=value,
            eval_rows=0,
            duplicate_rows=0,
            conflicting_rows=ceil(share * value),
            answers=facts.answers,
        )
        return msgspec.structs.replace(answers, examples=None), facts
    if field == "quality":
        facts = msgspec.structs.replace(
            facts, conflicting_rows=None, distinct_answers=None, troubles=(), refused=False
        )
    if field == "prompting" and facts.measured is not None:
        facts = msgspec.structs.replace(facts, measured=None)
    return msgspec.structs.replace(answers, **{field: value}), facts
