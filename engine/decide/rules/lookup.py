"""Live lookups and actions, which no training and no index can give."""

from __future__ import annotations

from tunewright.engine.decide.guide import checklist, table
from tunewright.engine.decide.rules.rule import CLEAR, DECIDES, SLIGHT, Rule, told

RULES = (
    Rule(
        "lookup.live",
        lambda c: c.external_lookup is True,
        (("tools", DECIDES), ("fine_tune", -CLEAR)),
        told(
            "live lookups or actions are needed: no training and no stored index holds what is "
            "only known at the time of the question, a tool call does"
        ),
        checklist("external"),
    ),
    Rule(
        "lookup.and_works",
        lambda c: c.external_lookup is True and c.prompting == "works",
        (("prompting", SLIGHT),),
        told(
            "prompting is said to work, and live lookups are said to be needed: one of the two is "
            "only partly so"
        ),
        "consistency of the answers",
        "some",
    ),
    Rule(
        "lookup.and_behaviour",
        lambda c: c.external_lookup is True and c.behaviour is True and c.prompting == "fails",
        (("fine_tune", CLEAR),),
        told(
            "new behaviour is wanted as well and prompting fails at it: it can be trained later, "
            "on recorded conversations with the tools"
        ),
        table("fine_tune"),
        "some",
    ),
)
