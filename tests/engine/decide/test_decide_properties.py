"""What holds for every set of answers, not only for those that somebody thought of."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import msgspec
import pytest
from measured_figures import facts as measured_facts
from measured_figures import figures

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.asking import JUDGED, next_question, outcome
from tunewright.engine.decide.case import case_of
from tunewright.engine.decide.decide import decide
from tunewright.engine.decide.facts import Facts
from tunewright.engine.decide.questions import BY_ID, fact_answer
from tunewright.engine.decide.settle import fired, settle
from tunewright.engine.decide.stance import stance
from tunewright.engine.decide.would_change import with_change

KNOWN: dict[str, tuple[Any, ...]] = {
    "external_lookup": (True, False),
    "prompting": ("untried", "fails", "partly", "works"),
    "knowledge": ("none", "static", "changes_monthly", "changes_daily"),
    "behaviour": (True, False),
    "examples": (0, 99, 100, 500),
    "quality": ("high", "mixed", "low", "unknown"),
    "repetitive": (True, False),
    "token_cost_critical": (True, False),
    "latency_critical": (True, False),
    "domain_terms": (True, False),
    "preference_pairs": (0, 100, 500),
}

COUNTED = (
    Facts(),
    Facts(rows=520, eval_rows=64, duplicate_rows=0, answers="json"),
    Facts(rows=800, duplicate_rows=799, distinct_answers=1, answers="short"),
    Facts(rows=900, duplicate_rows=0, conflicting_rows=300, answers="json"),
    Facts(rows=300, duplicate_rows=40, conflicting_rows=20, answers="short"),
)


def complete() -> Iterator[Answers]:
    """Every way to answer every question."""
    for values in product(*KNOWN.values()):
        yield Answers(**dict(zip(KNOWN, values, strict=True)))


def some(count: int, seed: int) -> Iterator[tuple[Answers, Facts]]:
    """Answers and facts at random, each question left open one time in four."""
    pick = random.Random(seed)
    for _ in range(count):
        given = {id: pick.choice(KNOWN[id]) for id in KNOWN if pick.random() < 0.75}
        yield Answers(**given), pick.choice(COUNTED)


def test_the_enumeration_covers_every_choice_of_every_question() -> None:
    assert set(KNOWN) == set(JUDGED)
    for id, values in KNOWN.items():
        assert set(values) >= {choice.value for choice in BY_ID[id].choices}


def test_every_set_of_answers_has_a_verdict_and_a_reason_for_it() -> None:
    seen = set()
    for answers in complete():
        case = case_of(answers, Facts())
        verdict = settle(case)
        seen.add(verdict)
        assert any(stance(rule, verdict) > 0 for rule in fired(case)), answers
    assert seen == {"prompting", "rag", "tools", "fine_tune", "fine_tune_rag", "collect_data"}


def test_bad_rows_never_make_training_needless() -> None:
    """They have to be repaired: that they are bad is no reason to do without."""
    for answers in complete():
        needed = answers.prompting in ("fails", "partly") and answers.behaviour
        trained = settle(case_of(answers, Facts())) == "fine_tune"
        if needed and trained and not answers.preference_pairs:
            for facts in (COUNTED[2], msgspec.structs.replace(COUNTED[2], distinct_answers=700)):
                found = settle(case_of(answers, facts))
                assert found == ("rag" if answers.knowledge == "static" else "collect_data")


def test_training_is_never_advised_on_few_or_bad_rows_nor_where_prompting_works() -> None:
    for answers in complete():
        verdict = settle(case_of(answers, Facts()))
        rows = max(answers.examples or 0, answers.preference_pairs or 0)
        if rows < 100 or answers.quality == "low" or answers.prompting == "works":
            assert verdict not in ("fine_tune", "fine_tune_rag"), answers
        if answers.external_lookup:
            assert verdict == "tools", answers
        if answers.knowledge in ("changes_monthly", "changes_daily"):
            assert verdict not in ("fine_tune", "collect_data"), answers


MEASURED = tuple(
    measured_facts(figures(*right)) for right in ((46,), (2, 3, 4), (2, 20, 48), (2, 25, 25))
)


@pytest.mark.parametrize(
    "facts",
    [*COUNTED, *MEASURED],
    ids=["unknown", "demo", "same", "conflicts", "mixed", "suffices", "nothing", "tuned", "both"],
)
def test_a_question_that_is_skipped_never_changes_the_verdict(facts: Facts) -> None:
    """The whole questionnaire, walked with every set of answers: what it did not ask, because of
    facts or of earlier answers, leads to the same verdict and training when it is answered."""
    by_facts = [id for id in JUDGED if fact_answer(id, facts) is not None]
    walked: dict[Answers, Any] = {}

    @cache
    def asked(answers: Answers) -> str | None:
        question = next_question(answers, facts)
        return None if question is None else question.id

    for answers in complete():
        if any(getattr(answers, id) != KNOWN[id][0] for id in by_facts):
            continue  # what facts answer is not asked, so its answers are all the same here
        known = Answers(goal="", data="")
        while (id := asked(known)) is not None:
            assert id not in by_facts
            assert getattr(known, id) is None
            known = msgspec.structs.replace(known, **{id: getattr(answers, id)})
        if known not in walked:
            walked[known] = outcome(case_of(known, facts))
        full = msgspec.structs.replace(answers, **dict.fromkeys(by_facts))
        assert outcome(case_of(full, facts)) == walked[known], (known, answers)


def test_few_questions_are_asked_in_common_cases() -> None:
    """Without the goal and the data file, in the order in which they come."""
    missing = {"external_lookup": False, "knowledge": "none", "behaviour": True, "quality": "high"}
    free = dict.fromkeys(
        ("repetitive", "latency_critical", "token_cost_critical", "domain_terms"), False
    )
    start = ["external_lookup", "prompting"]
    more = [*start, "knowledge", "behaviour"]
    rows = Facts(rows=520, eval_rows=64, duplicate_rows=0, answers="json")
    for answers, facts, expected in (
        (Answers(external_lookup=True), Facts(), start[:1]),
        (Answers(external_lookup=False, prompting="works"), Facts(), start),
        (Answers(**missing, prompting="untried", examples=0, preference_pairs=0), Facts(),
         [*start, "knowledge"]),
        (Answers(**missing, **free, prompting="untried", preference_pairs=0), rows,
         [*start, "knowledge"]),
        (Answers(**missing, **free, prompting="partly", preference_pairs=0), rows,
         [*more, "preference_pairs", "quality"]),
        (Answers(**missing, prompting="fails", examples=800, preference_pairs=0), Facts(),
         [*more, "examples", "preference_pairs", "quality"]),
        (Answers(**missing, prompting="fails", preference_pairs=0), rows,
         [*start, "knowledge", "preference_pairs", "quality"]),
        (Answers(**(missing | {"behaviour": False, "knowledge": "changes_daily"}),
                 prompting="fails"), rows, more),
    ):  # fmt: skip
        known, asked = Answers(goal="", data=""), []
        while (question := next_question(known, facts)) is not None:
            asked.append(question.id)
            value = getattr(answers, question.id)
            assert value is not None, (expected, asked)
            known = msgspec.structs.replace(known, **{question.id: value})
        assert asked == expected


def test_deciding_twice_gives_the_same_and_the_figures_hold() -> None:
    for answers, facts in some(300, seed=1):
        verdict = decide(answers, facts)
        assert msgspec.json.encode(verdict) == msgspec.json.encode(decide(answers, facts))
        assert verdict.because
        assert verdict.would_change
        assert verdict.next_step.sentence
        assert not verdict.measured
        assert bool(verdict.training) == (verdict.verdict in ("fine_tune", "fine_tune_rag"))
        told = [reason.rule for reason in (*verdict.because, *verdict.against)]
        assert len(told) == len(set(told))


def test_what_would_change_the_verdict_does() -> None:
    for answers, facts in some(300, seed=2):
        here = decide(answers, facts)
        for change in here.would_change:
            other = decide(*with_change(answers, facts, change.field, change.value))
            assert other.verdict == change.verdict != here.verdict
            assert other.title in change.sentence


def test_what_is_not_said_to_change_the_verdict_does_not() -> None:
    for answers, facts in some(200, seed=3):
        here = decide(answers, facts)
        said = {(change.field, change.verdict) for change in here.would_change}
        for id, values in KNOWN.items():
            for value in values:
                there = settle(case_of(*with_change(answers, facts, id, value)))
                assert there == here.verdict or (id, there) in said, (answers, facts, id, value)


def test_high_confidence_leaves_nothing_open() -> None:
    seen = set()
    for answers, facts in some(400, seed=4):
        found = decide(answers, facts)
        seen.add(found.confidence)
        if found.confidence == "high":
            assert not found.open_questions
            for id in JUDGED:
                if getattr(answers, id) is None and id not in found.answered_by_facts:
                    for value in KNOWN[id]:
                        other = msgspec.structs.replace(answers, **{id: value})
                        assert settle(case_of(other, facts)) == found.verdict
    assert seen == {"high", "medium", "low"}


def test_more_or_better_examples_never_speak_against_training() -> None:
    """With more rows, or rows of better quality, a verdict to train stays one and its confidence
    does not fall."""
    order = ["low", "medium", "high"]
    grades = ["low", "mixed", "high"]
    for answers, _ in some(300, seed=5):
        for ladder in (
            [
                msgspec.structs.replace(answers, examples=n)
                for n in (0, 99, 100, 300, 499, 500, 9000)
            ],
            [msgspec.structs.replace(answers, quality=grade) for grade in grades],
        ):
            trained = -1
            for step in ladder:
                found = decide(step, Facts())
                trains = found.verdict in ("fine_tune", "fine_tune_rag")
                assert trains or trained < 0, step
                if trains:
                    assert order.index(found.confidence) >= trained, step
                    trained = order.index(found.confidence)
