"""The decision: answers and facts to a verdict with its reasons. Pure; nothing is read or run."""

from __future__ import annotations

from math import ceil
from typing import Any

import msgspec

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.asking import JUDGED, open_questions
from tunewright.engine.decide.case import Case, case_of
from tunewright.engine.decide.facts import Facts
from tunewright.engine.decide.guide import APPROACHES, TITLES, Verdicts
from tunewright.engine.decide.next_step import MANY_PIVOTS, Named, next_step
from tunewright.engine.decide.questions import BY_ID, Choice, fact_answer, said_of
from tunewright.engine.decide.rules.measured import MEASURED
from tunewright.engine.decide.rules.rule import CLEAR, SLIGHT, Rule
from tunewright.engine.decide.settle import decided, fired, settle
from tunewright.engine.decide.training import training_steps
from tunewright.engine.decide.verdict import Change, Confidence, Reason, Spoke, Verdict

_TRAINS: tuple[Verdicts, ...] = ("fine_tune", "fine_tune_rag")

# What each verdict is made of. To collect data is to fine-tune later.
_PARTS: dict[Verdicts, tuple[Verdicts, ...]] = {
    "prompting": ("prompting",),
    "rag": ("rag",),
    "tools": ("tools",),
    "fine_tune": ("fine_tune",),
    "fine_tune_rag": ("fine_tune", "rag", "fine_tune_rag"),
    "collect_data": ("collect_data", "fine_tune"),
}


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
    confidence, why = _confidence(case, verdict, rules, still_open, pivots)
    return Verdict(
        verdict=verdict,
        title=TITLES[verdict],
        confidence=confidence,
        confidence_because=why,
        because=_told(case, [rule for rule in rules if stance(rule, verdict) > 0]),
        against=_told(case, [rule for rule in rules if stance(rule, verdict) < 0]),
        would_change=tuple(changes),
        next_step=next_step(verdict, confidence, case, answers, pivots, named),
        training=training_steps(case) if verdict in _TRAINS else (),
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


def stance(rule: Rule, verdict: Verdicts) -> int:
    """How strongly a rule speaks for the verdict, below 0 against it; 0: it does not concern it.

    A rule about other approaches speaks against the verdict where it recommends one of them at
    least as strongly as it warns of another.
    """
    own = [value for approach, value in rule.effects if approach in _PARTS[verdict]]
    if own:
        return max(own) if max(own) > 0 else min(own)
    others = dict(rule.effects)
    if verdict not in _TRAINS and others.pop("collect_data", 0) > 0:
        # Rows that cannot carry a training speak for what needs none; a tool needs none anyway.
        return 0 if verdict == "tools" else SLIGHT
    praise, warning = max([0, *others.values()]), -min([0, *others.values()])
    return -praise if praise >= warning else SLIGHT


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


def _confidence(
    case: Case,
    verdict: Verdicts,
    rules: tuple[Rule, ...],
    still_open: tuple[str, ...],
    pivots: tuple[str, ...],
) -> tuple[Confidence, str]:
    """High without a doubt; medium with one or two; low with three or one that weighs much.

    High is never said while an open question could still change the verdict. `pivots` are those of
    them that could change it alone.
    """
    some: list[str] = []
    much: list[str] = []
    if still_open:
        shown = BY_ID[(pivots or still_open)[0]].text
        said = f"open questions could still change it, first: {shown}"
        (much if len(pivots) > MANY_PIVOTS else some).append(said)
    trains = verdict in _TRAINS
    for rule in rules:
        about_rows = rule.family == "data"
        about_machine = rule.family == "hardware"
        concerns = trains or verdict == "collect_data"
        if rule.doubt == "much" and (concerns or not (about_rows or about_machine)):
            much.append(rule.sentence(case))
        elif rule.doubt == "some" and (stance(rule, verdict) < 0 or rule.source == MEASURED):
            some.append(rule.sentence(case))
    if decided(case) is None:
        weighty = [r for r in rules if stance(r, verdict) <= -CLEAR]
        if weighty:
            told = ", and ".join(rule.sentence(case) for rule in weighty)
            some.append(f"the answers do not all point one way: {told}")
    if trains:
        if case.examples is None:
            much.append("the examples have not been counted")
        if verdict == "fine_tune" and case.needs_knowledge:
            much.append("facts that are trained in are recalled less surely than facts looked up")
        if case.quality == "mixed":
            some.append("the examples are of mixed quality")
        elif (
            case.quality != "high"
            and "quality" not in still_open
            and case.by_measurement != verdict
        ):
            some.append("nobody has said how good the examples are")
    if case.facts.measured is not None and case.by_measurement is None and not case.facts.broken:
        much.append("nothing that was measured was shown to be good enough")
    some += _near(case, verdict)
    reasons = "; ".join([*much, *some])
    if much or len(some) > 2:
        return "low", reasons
    if some:
        return "medium", reasons
    return "high", "all that could change it is known, and nothing weighty speaks against it"


def _near(case: Case, verdict: Verdicts) -> list[str]:
    """A figure that is below the target, or may be."""
    measured = case.facts.measured
    if measured is None or measured.target is None or case.by_measurement != verdict:
        return []
    short = measured.short_of_target(verdict)
    if short is not None:
        return [f"it is the best that was measured, and {short}"]
    found = measured.prompting if verdict == "prompting" else None
    if found is None or found.low >= measured.target:
        return []
    return [
        f"with {measured.rows} rows the figure could also be {found.low:.2f}, below the "
        f"{measured.target:g} that was asked for"
    ]


def _by_facts(answers: Answers, facts: Facts) -> dict[str, Any]:
    """Questions that facts answered because the person did not, in the words of `Answers`."""
    found = {id: fact_answer(id, facts) for id in JUDGED if getattr(answers, id) is None}
    return {id: value for id, value in found.items() if value is not None}


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
