"""The expert's table and checklists behind the decision, as data: rules and help read them."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdicts = Literal["prompting", "rag", "tools", "fine_tune", "fine_tune_rag", "collect_data"]

TITLES: dict[Verdicts, str] = {
    "prompting": "Prompt engineering",
    "rag": "RAG (retrieval)",
    "tools": "Tools",
    "fine_tune": "Fine-tuning",
    "fine_tune_rag": "Fine-tuning and RAG",
    "collect_data": "Collect data first",
}

# The verdicts that lead to a training.
TRAINS: tuple[Verdicts, ...] = ("fine_tune", "fine_tune_rag")


class Approach(msgspec.Struct, frozen=True):
    """One approach and what it asks of a person: once, and for as long as it is used."""

    id: Verdicts
    title: str
    best_when: str
    cost: str
    time: str
    upkeep: str


APPROACHES = (
    Approach(
        "prompting",
        TITLES["prompting"],
        "the behaviour can be had by instructions",
        "lowest",
        "minutes",
        "low",
    ),
    Approach(
        "rag",
        TITLES["rag"],
        "the model needs specific knowledge",
        "medium",
        "hours",
        "medium: index updates",
    ),
    Approach(
        "fine_tune",
        TITLES["fine_tune"],
        "new behaviour, style or format",
        "high",
        "hours to days",
        "high: retraining",
    ),
    Approach(
        "fine_tune_rag",
        TITLES["fine_tune_rag"],
        "both new behaviour and specific knowledge",
        "highest",
        "days",
        "highest",
    ),
)


class Advice(msgspec.Struct, frozen=True):
    """One line of a checklist: when to fine-tune, or when not to."""

    id: str
    fine_tune: bool
    text: str

    @property
    def source(self) -> str:
        side = "fine-tune when" if self.fine_tune else "do not fine-tune when"
        return f"expert checklist: {side} {self.text}"


CHECKLIST = {
    advice.id: advice
    for advice in (
        Advice("format", True, "prompting cannot achieve the desired output format or style"),
        Advice("retrieval", True, "retrieval adds too much latency or cost for production"),
        Advice("consistent", True, "behaviour must be consistent and prompts cannot guarantee it"),
        Advice("rows", True, "there are 500 or more high-quality training examples"),
        Advice(
            "repetitive",
            True,
            "the task is repetitive and well defined (classification, extraction, formatting)",
        ),
        Advice("tokens", True, "token use must fall (shorter prompts after fine-tuning)"),
        Advice("domain", True, "domain-specific terms or reasoning patterns are required"),
        Advice("works", False, "prompting or few-shot examples work well enough"),
        Advice("few", False, "the data is small (under 100 examples) or of low quality"),
        Advice("changes", False, "the knowledge changes frequently (use RAG instead)"),
        Advice("external", False, "the model needs external information (use tools or RAG)"),
    )
}


def checklist(id: str) -> str:
    """The source line of one advice; KeyError for one that is not there."""
    return CHECKLIST[id].source


def table(id: Verdicts) -> str:
    """The source line of one row of the table of approaches."""
    row = next(approach for approach in APPROACHES if approach.id == id)
    return f"expert table of approaches: {row.title} is best when {row.best_when}"
