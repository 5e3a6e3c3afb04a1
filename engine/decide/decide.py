"""The decision: answers and facts to a verdict with its reasons. Pure; nothing is read or run."""

from __future__ import annotations

from typing import Any

import msgspec

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.asking import JUDGED, open_questions
from tunewright.engine.decide.case import Case, case_of
from tunewright.engine.decide.confidence import confidence_in
from tunewright.engine.decide.facts import Facts
from tunewright.engine.decide.guide import APPROACHES, TITLES, TRAINS, Verdicts
from tunewright.engine.decide.next_step import Named, next_step
from tunewright.engine.decide.questions import fact_answer
from tunewright.engine.decide.rules.measured import MEASURED
from tunewright.engine.decide.rules.rule import Rule
from tunewright.engine.decide.settle import decided, fired, settle
from tunewright.engine.decide.stance import stance
from tunewright.engine.decide.training import training_steps
from tunewright.engine.decide.verdict import Reason, Spoke, Verdict
from tunewright.engine.decide.would_change import would_change


def decide(answers: Answers, facts: Facts, named: Named | None = None) -> Verdict:
    """The verdict by rules, and by figures where `facts` hold some. `named`: what the command of
    the next step calls things."""
    named = named or Named()
    case = case_of(answers, facts)
    verdict = settle(case)
    rules = fired(case)
    still_open = open_questions(answers, facts)
    changes = would_change(answers, facts)
    pivots = tuple(id for id in still_open if any(change.field == id for change in changes))
    confidence, why = confidence_in(case, verdict, rules, still_open, pivots)
    return Verdict(
        verdict=verdict,
        title=TITLES[verdict],
        confidence=confidence,
        confidence_because=why,
        because=_told(case, [rule for rule in rules if stance(rule, verdict) > 0]),
        against=_told(case, [rule for rule in rules if stance(rule, verdict) < 0]),
        would_change=tuple(changes),
        next_step=next_step(verdict, confidence, case, answers, pivots, named),
        training=training_steps(case) if verdict in TRAINS else (),
        approaches=APPROACHES,
        open_questions=still_open,
        answered_by_facts=_by_facts(answers, facts),
        measured=facts.measured is not None and not facts.broken,
        spoke=_spoke(answers, facts, case, verdict),
        measurement=None if facts.measured is None else facts.measured.headline(),
        not_measured=facts.measured.unknown if facts.measured else (),
        repair=facts.troubles,
    )


def _spoke(answers: Answers, facts: Facts, case: Case, verdict: Verdicts) -> Spoke:
    if case.by_measurement != verdict or decided(case) != verdict:
        return "rules"
    without = msgspec.structs.replace(facts, measured=None)
    return "both" if settle(case_of(answers, without)) == verdict else "measurement"


def _told(case: Case, rules: list[Rule]) -> tuple[Reason, ...]:
    return tuple(
        Reason(
            rule=rule.id,
            sentence=rule.sentence(case),
            source=rule.source,
            towards=tuple(approach for approach, value in rule.effects if value > 0),
            basis="measured" if rule.source == MEASURED else "rule",
        )
        for rule in rules
    )


def _by_facts(answers: Answers, facts: Facts) -> dict[str, Any]:
    """Questions that facts answered because the person did not, in the words of `Answers`."""
    found = {id: fact_answer(id, facts) for id in JUDGED if getattr(answers, id) is None}
    return {id: value for id, value in found.items() if value is not None}
