"""Which rows are missing, how many, and a template to write them in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tunewright.engine.data.alike import asked_of
from tunewright.engine.data.example import Example
from tunewright.engine.decide.case import ENOUGH
from tunewright.engine.evidence.result import Evidence
from tunewright.engine.evidence.scoring import form_of, normal
from tunewright.engine.files import write_atomic
from tunewright.engine.suspect.similar import near_identical
from tunewright.engine.text import plain, shorten

_SHOWN = 20


def write_missing(folder: Path, train: Sequence[Example], evidence: Evidence | None) -> None:
    """missing.md (which rows are missing, and how many) and template.jsonl (to be filled in)."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = [json.dumps(row) for row in template_rows(train, evidence)]
    for name, text in (
        ("missing.md", missing_rows(train, evidence)),
        ("template.jsonl", "\n".join(lines) + "\n"),
    ):
        write_atomic(folder / name, text.encode("utf-8", "backslashreplace"))


def useful_rows(train: Sequence[Example]) -> list[Example]:
    """Rows without those that repeat another one."""
    again = set(near_identical(train))
    return [example for row, example in enumerate(train) if row not in again]


def missing_labels(train: Sequence[Example]) -> dict[str, int]:
    """For labels, how many rows each still lacks to have its even share of `ENOUGH`; empty for
    other answers."""
    rows = useful_rows(train)
    if not rows or form_of([e.messages[-1].content for e in train]) != "labels":
        return {}
    counts = Counter(normal(example.messages[-1].content) for example in rows)
    share = -(-ENOUGH // len(counts))
    return {label: share - count for label, count in counts.items() if count < share}


def missing_rows(train: Sequence[Example], evidence: Evidence | None) -> str:
    """Markdown: how many rows are missing, of which kinds, and questions that nothing answers."""
    useful = len(useful_rows(train))
    lines = [
        "# Rows that are missing",
        "",
        f"{len(train):,} rows, {useful:,} of them without repetition; {ENOUGH:,} are advised: at "
        f"least {max(0, ENOUGH - useful):,} more are needed.",
    ]
    labels = missing_labels(train)
    if labels:
        lines += ["", "Of each answer, to be even:", ""]
        lines += [f"- {plain(label)}: {count:,} more" for label, count in sorted(labels.items())]
    hard = _unanswered(evidence)
    if hard:
        lines += ["", "Held-out questions that no approach answered; rows like these teach most:"]
        lines += ["", *(f"- {shorten(question, 160)}" for question in hard[:_SHOWN])]
    lines += ["", "Write them into template.jsonl, one JSON object a line, then measure again.", ""]
    return "\n".join(lines)


def template_rows(train: Sequence[Example], evidence: Evidence | None) -> Iterator[dict[str, Any]]:
    """Rows to be filled in: one of the person's own as a sample, then empty ones, for labels one of
    each that is missing, for others after questions that nothing answered."""
    system = [
        {"role": m.role, "content": m.content}
        for m in (train[0].messages[:1] if train else ())
        if m.role == "system"
    ]

    def row(question: str, answer: str) -> dict[str, Any]:
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return {"messages": [*system, *turns]}

    if train:
        yield row(asked_of(train[0]), train[0].messages[-1].content)
    labels = missing_labels(train)
    for label in sorted(labels, key=lambda label: -labels[label]):
        yield row("", label)
    for question in [] if labels else _unanswered(evidence)[:_SHOWN]:
        # The question is held out: a new one of its kind is wanted, not this one.
        yield row(f"(a new question like: {question})", "")
    if not labels and not _unanswered(evidence):
        yield row("", "")


def _unanswered(evidence: Evidence | None) -> list[str]:
    """Questions on which every arm scored below a half."""
    if evidence is None:
        return []
    return [
        question
        for at, question in enumerate(evidence.asks)
        if all(
            arm.scores[evidence.primary][at] < 0.5 for arm in evidence.arms if arm.group != "floor"
        )
    ]
