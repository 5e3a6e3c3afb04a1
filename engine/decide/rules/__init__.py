"""The rules of the decision: a family a file, each named like the first part of its rules' ids.

`knowledge` holds those of retrieval too, and `task` those of latency and tokens. A rule is a row in
its family's table, which is all that adding one takes.
"""

from __future__ import annotations

from tunewright.engine.decide.rules import (
    behaviour,
    data,
    hardware,
    knowledge,
    lookup,
    measured,
    prompting,
    task,
)
from tunewright.engine.decide.rules.rule import Rule

# The order in which they are told; of two that decide alone the first one does.
FAMILIES = (lookup, measured, prompting, behaviour, knowledge, task, data, hardware)

RULES: tuple[Rule, ...] = tuple(rule for family in FAMILIES for rule in family.RULES)
