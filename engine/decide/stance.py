"""How a rule stands to a verdict: for it, against it, or beside it."""

from __future__ import annotations

from tunewright.engine.decide.guide import TRAINS, Verdicts
from tunewright.engine.decide.rules.rule import SLIGHT, Rule

# What each verdict is made of. To collect data is to fine-tune later.
_PARTS: dict[Verdicts, tuple[Verdicts, ...]] = {
    "prompting": ("prompting",),
    "rag": ("rag",),
    "tools": ("tools",),
    "fine_tune": ("fine_tune",),
    "fine_tune_rag": ("fine_tune", "rag", "fine_tune_rag"),
    "collect_data": ("collect_data", "fine_tune"),
}


def stance(rule: Rule, verdict: Verdicts) -> int:
    """How strongly a rule speaks for the verdict, below 0 against it; 0: it does not concern it.

    A rule about other approaches speaks against the verdict where it recommends one of them at
    least as strongly as it warns of another.
    """
    own = [value for approach, value in rule.effects if approach in _PARTS[verdict]]
    if own:
        return max(own) if max(own) > 0 else min(own)
    others = dict(rule.effects)
    if verdict not in TRAINS and others.pop("collect_data", 0) > 0:
        # Rows that cannot carry a training speak for what needs none; a tool needs none anyway.
        return 0 if verdict == "tools" else SLIGHT
    praise, warning = max([0, *others.values()]), -min([0, *others.values()])
    return -praise if praise >= warning else SLIGHT
