"""No line of the expert's table and checklists is lost, and each is heard in the rules."""

from __future__ import annotations

import pytest

from tunewright.engine.decide.guide import APPROACHES, CHECKLIST, checklist, table
from tunewright.engine.decide.questions import BY_ID, QUESTIONS
from tunewright.engine.decide.rules import FAMILIES, RULES

# The expert's own words, copied by hand, and the rules that stand for them.
TABLE = (
    ("Prompt engineering", "behaviour can be had by instructions", "lowest", "minutes", "low",
     ("prompting.untried", "behaviour.known")),
    ("RAG", "specific knowledge", "medium", "hours", "medium: index updates",
     ("knowledge.static", "prompting.lacks_knowledge")),
    ("Fine-tuning", "new behaviour, style or format", "high", "hours to days", "high: retraining",
     ("behaviour.new",)),
    ("Fine-tuning and RAG", "both new behaviour and specific knowledge", "highest", "days",
     "highest", ("knowledge.and_behaviour",)),
)  # fmt: skip

FINE_TUNE_WHEN = (
    ("Prompt engineering cannot achieve the desired output format or style", "format",
     ("prompting.fails",)),
    ("RAG retrieval adds too much latency or cost for production", "retrieval",
     ("retrieval.too_slow", "retrieval.too_costly", "latency.critical")),
    ("You need consistent behavior that prompt instructions cannot guarantee", "consistent",
     ("prompting.partly",)),
    ("You have 500+ high-quality training examples", "rows", ("data.enough",)),
    ("The task is repetitive and well-defined (classification, extraction, formatting)",
     "repetitive", ("task.repetitive",)),
    ("You need to reduce token usage (shorter prompts after fine-tuning)", "tokens",
     ("tokens.critical", "prompting.works_at_a_price")),
    ("Domain-specific terminology or reasoning patterns are required", "domain",
     ("task.domain_terms",)),
)  # fmt: skip

DO_NOT_WHEN = (
    ("Prompt engineering or few-shot examples work well enough", "works", ("prompting.works",)),
    ("Your data is small (< 100 examples) or low quality", "few",
     ("data.none", "data.few", "data.low_quality", "data.constant")),
    ("The knowledge changes frequently (use RAG instead)", "changes", ("knowledge.changes",)),
    ("You need the model to access external information (use tools/RAG)", "external",
     ("lookup.live",)),
)  # fmt: skip

SOURCES = {rule.id: rule.source for rule in RULES}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_every_row_of_the_table_is_there_and_heard(row: tuple[object, ...]) -> None:
    title, best, cost, time, upkeep, rules = row
    found = next(
        a for a in APPROACHES if a.title.startswith(str(title)) and str(best) in a.best_when
    )
    assert (found.cost, found.time, found.upkeep) == (cost, time, upkeep)
    assert isinstance(rules, tuple)
    for rule in rules:
        assert SOURCES[rule].startswith(table(found.id))


@pytest.mark.parametrize("line", FINE_TUNE_WHEN + DO_NOT_WHEN, ids=lambda line: line[1])
def test_every_line_of_both_checklists_is_heard(line: tuple[str, str, tuple[str, ...]]) -> None:
    words, id, rules = line
    assert CHECKLIST[id].fine_tune == (line in FINE_TUNE_WHEN)
    content = {word.strip("(),").lower().rstrip("s") for word in words.split() if len(word) > 6}
    heard = {word.strip("(),").lower().rstrip("s") for word in CHECKLIST[id].text.split()}
    assert content & heard, (content, heard)
    for rule in rules:
        assert checklist(id) in SOURCES[rule]


def test_nothing_stands_in_the_checklist_that_no_rule_reads() -> None:
    assert len(CHECKLIST) == len(FINE_TUNE_WHEN) + len(DO_NOT_WHEN)
    for id in CHECKLIST:
        assert any(checklist(id) in source for source in SOURCES.values()), id


def test_a_rule_is_found_in_the_file_of_its_family() -> None:
    also = {"retrieval": "knowledge", "latency": "task", "tokens": "task"}
    for family in FAMILIES:
        file = family.__name__.rpartition(".")[2]
        assert {also.get(rule.family, rule.family) for rule in family.RULES} == {file}


def test_rules_and_questions_are_told_apart_by_their_ids() -> None:
    assert len(SOURCES) == len(RULES)
    assert len(BY_ID) == len(QUESTIONS)
    for question in QUESTIONS:
        assert question.text.endswith("?")
        assert question.why
        assert bool(question.choices) == (question.kind != "text")
