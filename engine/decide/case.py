"""Answers and facts brought together: what the rules look at."""

from __future__ import annotations

from typing import NamedTuple

from tunewright.engine.decide.answers import Answers, Knowledge, Prompting, Quality
from tunewright.engine.decide.facts import Facts
from tunewright.engine.decide.guide import Verdicts

# The floor and the comfortable number of examples of the expert checklists.
FEW = 100
ENOUGH = 500


class Case(NamedTuple):
    """What holds after facts have filled in what was not answered; None is still not known.

    `prompting` is what was measured, where it was; `said` is what was answered.

    `examples` are those that say something new, rows or preferred answers of pairs, whichever are
    more. `claimed` is an answer of more examples than the same rows hold distinct ones.
    """

    prompting: Prompting | None
    knowledge: Knowledge | None
    external_lookup: bool | None
    behaviour: bool | None
    examples: int | None
    quality: Quality | None
    repetitive: bool | None
    latency_critical: bool | None
    token_cost_critical: bool | None
    domain_terms: bool | None
    pairs: int | None
    claimed: int | None
    facts: Facts
    said: Prompting | None = None

    @property
    def needs_knowledge(self) -> bool:
        return self.knowledge not in (None, "none")

    @property
    def few(self) -> bool:
        return self.examples is not None and self.examples < FEW

    @property
    def thin(self) -> bool:
        return self.examples is not None and FEW <= self.examples < ENOUGH

    @property
    def enough(self) -> bool:
        return self.examples is not None and self.examples >= ENOUGH

    @property
    def changes(self) -> bool:
        return self.knowledge in ("changes_monthly", "changes_daily")

    @property
    def by_measurement(self) -> Verdicts | None:
        """What the figures alone support; nothing on rows that are not worth measuring."""
        measured = self.facts.measured
        if measured is None or self.facts.broken:
            return None
        return measured.verdict(changes=self.changes)

    @property
    def blamed_on_behaviour(self) -> bool:
        """Where knowledge is missing, a prompt that falls short says nothing about behaviour."""
        return self.behaviour is True or not self.needs_knowledge


def case_of(answers: Answers, facts: Facts) -> Case:
    """An answer overrides a fact, with one exception: an answer of no more examples than the rows
    that were counted speaks of these same rows, so their repetitions are not counted."""
    examples, claimed = answers.examples, None
    if examples is None:
        examples = facts.distinct
    elif facts.distinct is not None and facts.distinct < examples <= (facts.total or 0):
        examples, claimed = facts.distinct, examples
    pairs = answers.preference_pairs
    if pairs and (examples is None or pairs > examples):
        examples = pairs
    quality = answers.quality
    if quality in (None, "unknown") and facts.quality is not None:
        quality = facts.quality
    measured = facts.measured.answer if facts.measured and not facts.broken else None
    return Case(
        prompting=measured or answers.prompting,
        knowledge=answers.knowledge,
        external_lookup=answers.external_lookup,
        behaviour=answers.behaviour,
        examples=examples,
        quality=quality,
        repetitive=answers.repetitive,
        latency_critical=answers.latency_critical,
        token_cost_critical=answers.token_cost_critical,
        domain_terms=answers.domain_terms,
        pairs=pairs,
        claimed=claimed,
        facts=facts,
        said=answers.prompting,
    )
