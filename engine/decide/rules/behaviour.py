"""Whether the model has to behave in a way that it does not yet."""

from __future__ import annotations

from tunewright.engine.decide.guide import table
from tunewright.engine.decide.rules.rule import CLEAR, SLIGHT, Rule, told

RULES = (
    Rule(
        "behaviour.new",
        lambda c: c.behaviour is True,
        (("fine_tune", CLEAR),),
        told("a new style, format or skill is wanted: that is what training changes"),
        table("fine_tune"),
    ),
    Rule(
        "behaviour.known",
        lambda c: c.behaviour is False,
        (("prompting", SLIGHT), ("fine_tune", -SLIGHT)),
        told("no new style, format or skill is wanted: instructions can ask for what is there"),
        table("prompting"),
    ),
)
