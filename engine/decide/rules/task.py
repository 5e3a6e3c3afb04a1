"""What kind of task it is, and what limits it in production."""

from __future__ import annotations

from tunewright.engine.decide.guide import checklist
from tunewright.engine.decide.rules.rule import SLIGHT, Rule, told

RULES = (
    Rule(
        "latency.critical",
        lambda c: c.latency_critical is True,
        (("fine_tune", SLIGHT),),
        told("latency is critical: a tuned model needs no long prompt, and can be a smaller one"),
        checklist("retrieval"),
    ),
    Rule(
        "tokens.critical",
        lambda c: c.token_cost_critical is True,
        (("fine_tune", SLIGHT),),
        told("token cost is critical: what is trained need not be said in each prompt"),
        checklist("tokens"),
    ),
    Rule(
        "task.repetitive",
        lambda c: c.repetitive is True,
        (("fine_tune", SLIGHT),),
        told("the task is repetitive and well defined: it pays to train it once"),
        checklist("repetitive"),
    ),
    Rule(
        "task.domain_terms",
        lambda c: c.domain_terms is True,
        (("fine_tune", SLIGHT),),
        told("terms or reasoning of a special field are needed"),
        checklist("domain"),
    ),
)
