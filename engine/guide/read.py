"""The Guide: every table and list of the expert text, a topic each, for rules and for `?`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from tunewright.engine.decide.guide import APPROACHES, CHECKLIST


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table. `steps`: ids of the steps whose help shows it; `rows` have a cell a column.
    `truth`: what of it no longer holds, and what this program does."""

    id: str
    title: str
    steps: tuple[str, ...]
    source: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    truth: str = ""

    def row(self, key: str) -> dict[str, str]:
        """The row whose first cell is `key`, by column; KeyError if there is none."""
        for row in self.rows:
            if row[0] == key:
                return dict(zip(self.columns, row, strict=True))
        raise KeyError(key)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topic: tuple[Topic, ...]


@cache
def topics() -> tuple[Topic, ...]:
    """All topics: those of the decision first, then those of guide.toml."""
    import tomllib

    raw = tomllib.loads(Path(__file__).with_name("guide.toml").read_text(encoding="utf-8"))
    return (*_decision(), *msgspec.convert(raw, _File).topic)


def topic(id: str) -> Topic:
    """The topic of that id; KeyError if there is none."""
    return {topic.id: topic for topic in topics()}[id]


def topics_of(step: str) -> tuple[Topic, ...]:
    """The topics that the help of a step shows."""
    return tuple(topic for topic in topics() if step in topic.steps)


def _decision() -> tuple[Topic, ...]:
    lists = {
        True: ("fine_tune_when", "Fine-tune when"),
        False: ("fine_tune_not", "Do not fine-tune when"),
    }
    return (
        Topic(
            "approaches",
            "Prompting, RAG, fine-tuning, or both",
            ("goal",),
            "expert table of approaches",
            ("approach", "best when", "cost", "time", "upkeep"),
            tuple((a.title, a.best_when, a.cost, a.time, a.upkeep) for a in APPROACHES),
        ),
        *(
            Topic(
                id,
                title,
                ("goal",),
                "expert checklist",
                ("when",),
                tuple((a.text,) for a in CHECKLIST.values() if a.fine_tune == side),
            )
            for side, (id, title) in lists.items()
        ),
    )
