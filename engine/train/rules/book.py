"""Decisions in the making; a person's own value wins and says what it replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.plan import Alternative, Decision


class Book:
    """Decisions in the making: a person's own value wins and says what it replaced."""

    def __init__(self, overrides: Mapping[str, Any]) -> None:
        self.overrides = overrides
        self.decisions: dict[str, Decision] = {}

    def decide(
        self, key: str, value: Any, because: str, rule: str, *others: tuple[Any, str]
    ) -> Any:
        """Enter a decision and return the value that holds, which later ones build on."""
        alternatives = tuple(Alternative(value=v, why_not=why) for v, why in others)
        decision = Decision(value=value, because=because, rule=rule, alternatives=alternatives)
        if key in self.overrides:
            decision = _overridden(self.overrides[key], value, because)
        self.decisions[key] = decision
        return decision.value

    @property
    def values(self) -> dict[str, Any]:
        """What holds so far, by full key."""
        return {key: decision.value for key, decision in self.decisions.items()}


def _overridden(value: Any, default: Any, because: str) -> Decision:
    if value == default:
        return Decision(
            value=value, because=f"you set it, as the rule would: {because}", rule="override"
        )
    instead = Alternative(value=default, why_not=f"you chose otherwise; it was: {because}")
    return Decision(value=value, because="you set it", rule="override", alternatives=(instead,))
