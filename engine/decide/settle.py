"""From the rules that fired to one verdict."""

from __future__ import annotations

from collections import Counter

from tunewright.engine.decide.case import Case
from tunewright.engine.decide.guide import Verdicts
from tunewright.engine.decide.rules import RULES
from tunewright.engine.decide.rules.rule import CLEAR, DECIDES, STRONG, Rule

# Training has to be spoken for by a strong reason, or by several that add up to one; where the rows
# are good but thin, by two.
TRAIN_FROM = STRONG
TRAIN_THIN_FROM = STRONG + CLEAR


# Looked at first: where one of these fires, the others cannot change the verdict.
_DECIDING = tuple(rule for rule in RULES if any(value >= DECIDES for _, value in rule.effects))


def fired(case: Case) -> tuple[Rule, ...]:
    """The rules that hold, in their order."""
    return tuple(rule for rule in RULES if rule.when(case))


def decided(case: Case) -> Verdicts | None:
    """The verdict where one rule decides alone, whatever else is answered."""
    return next((rule.effects[0][0] for rule in _DECIDING if rule.when(case)), None)


def settle(case: Case) -> Verdicts:
    """The verdict. What decides by itself comes first, then what is missing, then the rows.

    Retrieval needs no examples, so it comes first wherever training has to wait for them.
    """
    alone = decided(case)
    if alone is not None:
        return alone
    weight: Counter[Verdicts] = Counter()
    for rule in fired(case):
        for approach, value in rule.effects:
            weight[approach] += value
    train = weight["fine_tune"] >= TRAIN_FROM
    if case.needs_knowledge:
        if not train or case.examples is None or not _trainable(case, weight["fine_tune"]):
            return "rag"
        # Knowledge that stands still can be trained in where retrieval costs too much every time.
        if weight["rag"] <= 0:
            return "fine_tune"
        # Both are for who wants new behaviour besides: knowledge alone is what retrieval gives.
        return "rag" if case.behaviour is False else "fine_tune_rag"
    if not train:
        return "prompting"
    return "fine_tune" if _trainable(case, weight["fine_tune"]) else "collect_data"


def _trainable(case: Case, need: int) -> bool:
    """Rows that nobody has counted are not held against training: the verdict tells the doubt."""
    facts = case.facts
    if case.few or case.quality == "low" or facts.constant or facts.broken or facts.unprovable:
        return False
    return not case.thin or (case.quality == "high" and need >= TRAIN_THIN_FROM)
