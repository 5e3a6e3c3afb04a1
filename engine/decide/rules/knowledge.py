"""What the answers have to know, and what looking it up costs."""

from __future__ import annotations

from tunewright.engine.decide.guide import checklist, table
from tunewright.engine.decide.rules.rule import CLEAR, SLIGHT, STRONG, Rule, told

RULES = (
    Rule(
        "knowledge.static",
        lambda c: c.knowledge == "static",
        (("rag", STRONG),),
        told(
            "the answers need specific knowledge: retrieval gives it, can be checked, and learns "
            "facts more reliably than training does"
        ),
        table("rag") + "; Ovadia et al. 2023, arXiv:2312.05934",
    ),
    Rule(
        "knowledge.changes",
        lambda c: c.changes,
        (("rag", STRONG + CLEAR), ("fine_tune", -SLIGHT)),
        lambda c: (
            "the knowledge changes "
            + ("daily" if c.knowledge == "changes_daily" else "monthly")
            + ": an index is updated in minutes, a trained model would be out of date each time"
        ),
        checklist("changes"),
    ),
    Rule(
        "knowledge.and_behaviour",
        lambda c: c.needs_knowledge and c.behaviour is True,
        (("fine_tune_rag", SLIGHT),),
        told("both new behaviour and specific knowledge are wanted: each is had in its own way"),
        table("fine_tune_rag"),
    ),
    Rule(
        "retrieval.too_slow",
        lambda c: c.needs_knowledge and c.latency_critical is True,
        (("rag", -CLEAR),),
        told("latency is critical, and retrieval adds a search and a longer prompt to each answer"),
        checklist("retrieval"),
    ),
    Rule(
        "retrieval.too_costly",
        lambda c: c.needs_knowledge and c.token_cost_critical is True,
        (("rag", -CLEAR),),
        told("token cost is critical, and retrieved passages are paid for with each answer"),
        checklist("retrieval"),
    ),
)
