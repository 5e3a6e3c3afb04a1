"""How far instructions to the base model got, as it was said or measured."""

from __future__ import annotations

from tunewright.engine.decide.guide import checklist, table
from tunewright.engine.decide.rules.rule import (
    CLEAR,
    DECIDES,
    FIRST,
    SLIGHT,
    STRONG,
    VERY_STRONG,
    Rule,
    told,
)


def _first_prompt(why: str) -> str:
    return (
        f"{why}: an instruction and a few examples in the prompt cost minutes, and show what is "
        "missing"
    )


RULES = (
    Rule(
        "prompting.works",
        lambda c: c.prompting == "works" and c.by_measurement is None,
        (("prompting", DECIDES), ("fine_tune", -STRONG)),
        told("prompting already works well enough: the cheapest approach, with the least upkeep"),
        checklist("works"),
    ),
    Rule(
        "prompting.works_at_a_price",
        lambda c: (
            c.prompting == "works" and (c.latency_critical is True or c.token_cost_critical is True)
        ),
        (("fine_tune", SLIGHT),),
        told(
            "it works at a price: latency or token cost is critical, and a tuned model needs a "
            "shorter prompt"
        ),
        checklist("tokens"),
        "some",
    ),
    Rule(
        "prompting.works_until_it_changes",
        lambda c: c.prompting == "works" and c.changes,
        (("rag", SLIGHT),),
        told(
            "the knowledge in the prompt changes and has to be renewed by hand; retrieval would "
            "renew it by itself"
        ),
        checklist("changes"),
        "some",
    ),
    Rule(
        "prompting.untried",
        lambda c: c.prompting == "untried",
        (("prompting", FIRST), ("fine_tune", -FIRST)),
        told(_first_prompt("prompting has not been tried")),
        table("prompting"),
    ),
    Rule(
        "prompting.not_said",
        lambda c: c.prompting is None,
        (("prompting", VERY_STRONG), ("fine_tune", -VERY_STRONG)),
        told(_first_prompt("nothing says that prompting was tried")),
        table("prompting"),
    ),
    Rule(
        "prompting.fails",
        lambda c: c.prompting == "fails" and c.blamed_on_behaviour,
        (("fine_tune", VERY_STRONG), ("prompting", -STRONG)),
        told("prompting was tried and does not reach the output that is wanted"),
        checklist("format"),
    ),
    Rule(
        "prompting.partly",
        lambda c: c.prompting == "partly" and c.blamed_on_behaviour,
        (("fine_tune", CLEAR), ("prompting", SLIGHT)),
        told("prompting gets there only in part: it does not give the consistency that is needed"),
        checklist("consistent"),
    ),
    Rule(
        "prompting.lacks_knowledge",
        lambda c: c.prompting in ("fails", "partly") and not c.blamed_on_behaviour,
        (("rag", SLIGHT),),
        told(
            "prompting falls short where the answers need knowledge that the model does not have: "
            "that alone can be the cause"
        ),
        table("rag"),
    ),
    Rule(
        "prompting.nothing_missing",
        lambda c: (
            c.prompting in ("fails", "partly")
            and c.behaviour is False
            and c.knowledge == "none"
            and c.external_lookup is not True
        ),
        (("prompting", SLIGHT),),
        told(
            "prompting falls short, yet neither new behaviour, nor knowledge, nor lookups are said "
            "to be missing: these answers conflict; examples in the prompt, or a larger model, may "
            "be all that is needed"
        ),
        "consistency of the answers",
        "much",
    ),
)
