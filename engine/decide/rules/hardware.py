"""What the machine cannot do."""

from __future__ import annotations

from tunewright.engine.decide.rules.rule import SLIGHT, Rule, told

RULES = (
    Rule(
        "hardware.nothing_fits",
        lambda c: c.facts.fits is False,
        (("fine_tune", -SLIGHT),),
        told(
            "no training of this model fits this machine: another one is needed for it, or a "
            "smaller model"
        ),
        "predicted memory against what is free",
        "much",
    ),
)
