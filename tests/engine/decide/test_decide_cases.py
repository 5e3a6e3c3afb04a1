"""The decision in cases written by hand from the expert's table and checklists."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.decide import decide
from tunewright.engine.decide.facts import Facts
from tunewright.engine.decide.next_step import Named


class Expected(NamedTuple):
    name: str
    answers: dict[str, Any]
    facts: dict[str, Any]
    verdict: str
    confidence: str
    told: tuple[str, ...] = ()


# Answers that many cases share: nothing but behaviour can be missing.
NO: dict[str, Any] = {"knowledge": "none", "external_lookup": False}
NEW: dict[str, Any] = NO | {"behaviour": True}
GOOD: dict[str, Any] = {"examples": 800, "quality": "high"}
LIMITS: dict[str, Any] = {
    "repetitive": True,
    "latency_critical": True,
    "token_cost_critical": True,
    "domain_terms": True,
}
FREE: dict[str, Any] = dict.fromkeys(LIMITS, False)
FACTS = {"knowledge": "static", "external_lookup": False, "behaviour": False}
DAILY = {"knowledge": "changes_daily", "external_lookup": False}

CASES = [
    # Prompting works well enough: nothing else.
    Expected("works", NO | {"prompting": "works"}, {}, "prompting", "high", ("prompting.works",)),
    Expected(
        "works, though a new format is wanted and rows are there",
        NEW | GOOD | FREE | {"prompting": "works"},
        {},
        "prompting",
        "high",
        ("prompting.works", "behaviour.new", "data.enough"),
    ),
    Expected(
        "works, but dearly",
        NEW | GOOD | LIMITS | {"prompting": "works"},
        {},
        "prompting",
        "medium",
        ("prompting.works", "prompting.works_at_a_price"),
    ),
    Expected(
        "works, with knowledge that goes out of date",
        DAILY | {"prompting": "works", "behaviour": False},
        {},
        "prompting",
        "medium",
        ("prompting.works_until_it_changes",),
    ),
    # Untried: minutes, so first; unless everything speaks for training.
    Expected(
        "untried, nothing missing",
        NO | {"prompting": "untried", "behaviour": False},
        {},
        "prompting",
        "high",
        ("prompting.untried", "behaviour.known"),
    ),
    Expected(
        "untried, new format, no rows",
        NEW | {"prompting": "untried", "examples": 0},
        {},
        "prompting",
        "medium",
        ("prompting.untried", "behaviour.new", "data.none"),
    ),
    Expected(
        "untried, new format, rows",
        NEW | GOOD | FREE | {"prompting": "untried"},
        {},
        "prompting",
        "medium",
        ("prompting.untried", "data.enough"),
    ),
    Expected(
        "untried, one task, rows",
        NEW | GOOD | FREE | {"prompting": "untried", "repetitive": True},
        {},
        "prompting",
        "medium",
        ("task.repetitive",),
    ),
    Expected(
        "untried, but all else speaks for training",
        NEW | GOOD | LIMITS | {"prompting": "untried"},
        {},
        "prompting",
        "medium",
        ("prompting.untried", "behaviour.new", "data.enough", "latency.critical"),
    ),
    Expected(
        "untried, rows are thin",
        NEW | LIMITS | {"prompting": "untried", "examples": 300, "quality": "high"},
        {},
        "prompting",
        "medium",
        (),
    ),
    # New behaviour that prompts do not reach.
    Expected(
        "fails, good rows",
        NEW | GOOD | {"prompting": "fails"},
        {},
        "fine_tune",
        "high",
        ("prompting.fails", "behaviour.new", "data.enough"),
    ),
    Expected(
        "fails, mixed rows",
        NEW | {"prompting": "fails", "examples": 800, "quality": "mixed"},
        {},
        "fine_tune",
        "medium",
        ("data.enough",),
    ),
    Expected(
        "fails, nobody looked at the rows",
        NEW | {"prompting": "fails", "examples": 800, "quality": "unknown"},
        {},
        "fine_tune",
        "medium",
        (),
    ),
    Expected(
        "fails, a thousand rows",
        NEW | {"prompting": "fails", "examples": 1000, "quality": "high"},
        {},
        "fine_tune",
        "high",
        (),
    ),
    Expected(
        "fails, exactly 500",
        NEW | {"prompting": "fails", "examples": 500, "quality": "high"},
        {},
        "fine_tune",
        "high",
        ("data.enough",),
    ),
    Expected(
        "partly, good rows",
        NEW | GOOD | {"prompting": "partly"},
        {},
        "fine_tune",
        "high",
        ("prompting.partly",),
    ),
    Expected(
        "classification: not called new",
        NO | GOOD | FREE | {"prompting": "fails", "behaviour": False, "repetitive": True},
        {},
        "fine_tune",
        "low",
        ("prompting.fails", "task.repetitive", "behaviour.known"),
    ),
    Expected(
        "consistency of one task, prompts too long, good rows",
        NO
        | GOOD
        | FREE
        | {
            "prompting": "partly",
            "behaviour": False,
            "repetitive": True,
            "token_cost_critical": True,
        },
        {},
        "fine_tune",
        "low",
        ("tokens.critical", "prompting.nothing_missing"),
    ),
    Expected(
        "consistency of one task",
        NO | GOOD | FREE | {"prompting": "partly", "behaviour": False, "repetitive": True},
        {},
        "fine_tune",
        "low",
        ("prompting.partly", "prompting.nothing_missing"),
    ),
    Expected(
        "consistency, all limits",
        NO | GOOD | LIMITS | {"prompting": "partly", "behaviour": False},
        {},
        "fine_tune",
        "low",
        ("latency.critical", "tokens.critical", "task.domain_terms"),
    ),
    Expected("fails, rows not counted", NEW | {"prompting": "fails"}, {}, "fine_tune", "low", ()),
    Expected(
        "demo: partly, rows counted, quality said",
        NEW | {"prompting": "partly", "quality": "high"},
        {"rows": 520, "eval_rows": 64, "duplicate_rows": 0, "answers": "json"},
        "fine_tune",
        "high",
        ("data.enough",),
    ),
    # Too little, or bad.
    Expected(
        "fails, no rows",
        NEW | {"prompting": "fails", "examples": 0, "preference_pairs": 0},
        {},
        "collect_data",
        "high",
        ("data.none", "prompting.fails"),
    ),
    Expected(
        "fails, 99 rows",
        NEW | {"prompting": "fails", "examples": 99, "quality": "high", "preference_pairs": 0},
        {},
        "collect_data",
        "high",
        ("data.few",),
    ),
    Expected(
        "fails, bad rows",
        NEW | {"prompting": "fails", "examples": 5000, "quality": "low"},
        {},
        "collect_data",
        "high",
        ("data.low_quality",),
    ),
    Expected(
        "800 identical rows",
        NEW | LIMITS | {"prompting": "fails"},
        {"rows": 800, "duplicate_rows": 799},
        "collect_data",
        "medium",
        ("data.few", "data.repeats"),
    ),
    Expected(
        "800 identical rows, said to be 800 good ones",
        NEW | GOOD | LIMITS | {"prompting": "fails"},
        {"rows": 800, "duplicate_rows": 799, "distinct_answers": 1},
        "collect_data",
        "high",
        ("data.few", "data.repeats", "data.claimed", "data.constant"),
    ),
    Expected(
        "800 identical rows, 80 of them held out",
        NEW | GOOD | {"prompting": "fails"},
        {"rows": 720, "eval_rows": 80, "duplicate_rows": 719},
        "collect_data",
        "medium",
        ("data.few", "data.claimed"),
    ),
    Expected(
        "8,000 identical rows, 800 held out",
        NEW | GOOD | {"prompting": "fails"},
        {"rows": 7200, "eval_rows": 800, "duplicate_rows": 7199},
        "collect_data",
        "medium",
        ("data.few",),
    ),
    Expected(
        "800 questions, one answer",
        NEW | GOOD | {"prompting": "fails"},
        {"rows": 800, "duplicate_rows": 0, "distinct_answers": 1},
        "collect_data",
        "high",
        ("data.constant",),
    ),
    Expected(
        "contradictions in every third row",
        NEW | {"prompting": "fails"},
        {"rows": 900, "duplicate_rows": 0, "conflicting_rows": 300, "answers": "json"},
        "collect_data",
        "high",
        ("data.low_quality",),
    ),
    Expected(
        "contradictions, said to be good",
        NEW | {"prompting": "fails", "quality": "high"},
        {"rows": 900, "duplicate_rows": 0, "conflicting_rows": 300, "answers": "json"},
        "fine_tune",
        "medium",
        ("data.contradicts",),
    ),
    Expected(
        "several good texts for one prompt",
        NEW | {"prompting": "fails", "quality": "high"},
        {"rows": 900, "duplicate_rows": 0, "conflicting_rows": 900, "answers": "text"},
        "fine_tune",
        "high",
        ("data.enough",),
    ),
    Expected(
        "half repeated, enough is left",
        NEW | {"prompting": "fails", "quality": "high"},
        {"rows": 3000, "duplicate_rows": 1500},
        "fine_tune",
        "medium",
        ("data.enough", "data.repeats"),
    ),
    Expected(
        "more rows elsewhere",
        NEW | {"prompting": "fails", "quality": "high", "examples": 2000},
        {"rows": 50, "duplicate_rows": 0},
        "fine_tune",
        "high",
        ("data.enough",),
    ),
    # Between 100 and 500.
    Expected(
        "thin and good",
        NEW | {"prompting": "fails", "examples": 300, "quality": "high"},
        {},
        "fine_tune",
        "low",
        ("data.thin_but_good",),
    ),
    Expected(
        "100, good",
        NEW | {"prompting": "fails", "examples": 100, "quality": "high"},
        {},
        "fine_tune",
        "low",
        ("data.thin_but_good",),
    ),
    Expected(
        "499, good, prompting works in part",
        NEW | FREE | {"prompting": "partly", "examples": 499, "quality": "high"},
        {},
        "collect_data",
        "low",
        ("data.thin_but_good",),
    ),
    Expected(
        "thin, mixed",
        NEW | {"prompting": "fails", "examples": 300, "quality": "mixed"},
        {},
        "collect_data",
        "low",
        ("data.thin",),
    ),
    Expected(
        "thin, nobody looked",
        NEW | {"prompting": "fails", "examples": 300},
        {},
        "collect_data",
        "low",
        ("data.thin",),
    ),
    Expected(
        "thin, bad",
        NEW | {"prompting": "fails", "examples": 300, "quality": "low"},
        {},
        "collect_data",
        "high",
        ("data.low_quality",),
    ),
    # Knowledge.
    Expected(
        "a handbook",
        FACTS | FREE | {"prompting": "fails"},
        {},
        "rag",
        "high",
        ("knowledge.static", "prompting.lacks_knowledge"),
    ),
    Expected(
        "a handbook, prompting untried",
        FACTS | {"prompting": "untried"},
        {},
        "rag",
        "medium",
        ("knowledge.static", "prompting.untried"),
    ),
    Expected(
        "prices that change daily",
        DAILY | FREE | {"prompting": "fails", "behaviour": False},
        {},
        "rag",
        "high",
        ("knowledge.changes",),
    ),
    Expected(
        "rules that change monthly, many rows",
        FREE
        | GOOD
        | {
            "prompting": "partly",
            "knowledge": "changes_monthly",
            "external_lookup": False,
            "behaviour": False,
        },
        {},
        "rag",
        "high",
        ("knowledge.changes",),
    ),
    Expected(
        "a handbook, answers must come fast",
        FACTS | FREE | {"prompting": "fails", "latency_critical": True},
        {},
        "rag",
        "medium",
        ("retrieval.too_slow",),
    ),
    Expected(
        "a handbook, retrieval too slow and too dear, one task, good rows",
        FACTS | GOOD | LIMITS | {"prompting": "fails"},
        {},
        "fine_tune",
        "low",
        ("retrieval.too_slow", "retrieval.too_costly", "knowledge.static"),
    ),
    # Both.
    Expected(
        "daily knowledge in a new format, good rows",
        DAILY | GOOD | FREE | {"prompting": "fails", "behaviour": True},
        {},
        "fine_tune_rag",
        "high",
        ("knowledge.changes", "knowledge.and_behaviour", "behaviour.new"),
    ),
    Expected(
        "a handbook in a new format, good rows",
        FACTS | GOOD | FREE | {"prompting": "partly", "behaviour": True},
        {},
        "fine_tune_rag",
        "high",
        ("knowledge.static", "prompting.partly"),
    ),
    Expected(
        "daily knowledge in a new format, few rows",
        DAILY | {"prompting": "fails", "behaviour": True, "examples": 40},
        {},
        "rag",
        "medium",
        ("knowledge.changes", "behaviour.new", "data.few"),
    ),
    Expected(
        "daily knowledge in a new format, prompting untried",
        DAILY | GOOD | FREE | {"prompting": "untried", "behaviour": True},
        {},
        "rag",
        "medium",
        ("prompting.untried",),
    ),
    # Live lookups.
    Expected("lookups", {"external_lookup": True}, {}, "tools", "high", ("lookup.live",)),
    Expected(
        "lookups, though rows and a new format are there",
        NEW | GOOD | LIMITS | {"prompting": "partly", "external_lookup": True},
        {},
        "tools",
        "high",
        ("lookup.live",),
    ),
    Expected(
        "lookups and a format that fails",
        NEW | GOOD | {"prompting": "fails", "external_lookup": True},
        {},
        "tools",
        "medium",
        ("lookup.and_behaviour",),
    ),
    Expected(
        "lookups, yet prompting works",
        NEW | {"prompting": "works", "external_lookup": True},
        {},
        "tools",
        "medium",
        ("lookup.and_works",),
    ),
    # Answers that conflict, or are missing.
    Expected(
        "fails, and nothing is missing",
        NO | FREE | {"prompting": "fails", "behaviour": False, "examples": 0},
        {},
        "collect_data",
        "low",
        ("prompting.nothing_missing",),
    ),
    Expected("nothing answered", {}, {}, "prompting", "low", ("prompting.not_said",)),
    Expected(
        "only rows",
        {},
        {"rows": 5000, "duplicate_rows": 0},
        "prompting",
        "low",
        ("prompting.not_said",),
    ),
    Expected("only a goal", {"goal": "answer mails"}, {}, "prompting", "low", ()),
    # Pairs are examples too.
    Expected(
        "fails, no rows, nothing said of pairs",
        NEW | {"prompting": "fails", "examples": 0},
        {},
        "collect_data",
        "medium",
        ("data.none",),
    ),
    Expected(
        "only pairs",
        NEW | {"prompting": "fails", "examples": 0, "quality": "high", "preference_pairs": 900},
        {},
        "fine_tune",
        "high",
        ("data.enough",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Expected) -> None:
    found = decide(Answers(**case.answers), Facts(**case.facts))
    assert (found.verdict, found.confidence) == (case.verdict, case.confidence), (
        found.confidence_because
    )
    assert set(case.told) <= {reason.rule for reason in (*found.because, *found.against)}
    assert not found.measured


def told_by(**answers: Any) -> str:
    return "\n".join(reason.sentence for reason in decide(Answers(**answers), Facts()).because)


def test_the_reason_for_identical_rows_carries_their_numbers() -> None:
    found = decide(
        Answers(**(NEW | GOOD | {"prompting": "fails"})), Facts(rows=800, duplicate_rows=799)
    )
    told = " ".join(reason.sentence for reason in found.because)
    assert "799 of 800 rows repeat" in told
    assert "1 distinct example:" in told
    assert "800 examples were said; the rows hold 1 distinct" in told
    assert "799 repeated rows" in found.next_step.sentence


def test_nothing_answered_names_the_question_to_answer_first() -> None:
    found = decide(Answers(), Facts(), Named(answers="my answers.json"))
    assert found.open_questions[0] == "external_lookup"
    assert "Must it look things up live" in found.next_step.sentence
    assert found.next_step.command == "tunewright decide --answers 'my answers.json'"


def test_between_100_and_500_the_verdict_says_so_and_names_a_pilot() -> None:
    answers = NEW | {"prompting": "fails", "examples": 300, "quality": "high"}
    found = decide(Answers(**answers, data="rows of mine.jsonl"), Facts())
    assert "between 100 and 500" in found.confidence_because
    assert "pilot" in found.next_step.sentence
    assert found.next_step.command == (
        "tunewright decide --answers ANSWERS.json --data 'rows of mine.jsonl' --model MODEL"
    )


def test_which_training_follows_from_pairs_and_from_a_reward_that_can_be_checked() -> None:
    answers = NEW | GOOD | {"prompting": "fails"}

    def methods(facts: Facts, **more: Any) -> list[str]:
        found = decide(Answers(**(answers | more)), facts)
        for step in found.training:
            assert step.built == (step.method == "sft")
            assert step.built or "advice" in step.sentence
        return [step.rule for step in found.training]

    assert methods(Facts()) == ["training.sft"]
    assert methods(Facts(), preference_pairs=99) == ["training.sft"]
    assert methods(Facts(), preference_pairs=100) == ["training.sft", "training.dpo"]
    only = methods(Facts(), preference_pairs=900, examples=0)
    assert only == ["training.sft_on_preferred", "training.dpo"]
    assert methods(Facts(answers="json")) == ["training.sft", "training.rl"]
    assert methods(Facts(answers="text")) == ["training.sft"]
    assert methods(Facts(), prompting="works") == []


def test_what_would_change_it_is_said_as_one_range() -> None:
    def sentences(**more: Any) -> list[str]:
        found = decide(Answers(**(NEW | {"prompting": "fails", "quality": "high"} | more)), Facts())
        return [change.sentence for change in found.would_change if change.field == "examples"]

    assert sentences(examples=3) == ["if there are 100 or more distinct examples: Fine-tuning"]
    assert sentences(examples=600) == [
        "if there are fewer than 100 distinct examples: Collect data first"
    ]
    assert sentences(examples=600, knowledge="static", prompting="partly", quality="mixed") == [
        "if there are fewer than 500 distinct examples: RAG (retrieval)"
    ]
