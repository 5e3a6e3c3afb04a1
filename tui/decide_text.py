"""A verdict as plain text: what, how sure, why, what speaks against it, what to do next."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.guide import TITLES
from tunewright.engine.decide.verdict import Reason, Verdict
from tunewright.engine.text import plain

_WIDTH = 79
_PROVISIONAL = "provisional: by rules, nothing was measured"
_BASIS = {
    "rules": "measured; the rules spoke, no figure decided",
    "measurement": "measured; the measurement spoke",
    "both": "measured; measurement and rules spoke alike",
}


def verdict_lines(answers: Answers, verdict: Verdict) -> Iterator[str]:
    """Lines for a terminal or a file; what a person wrote is made plain."""
    if answers.goal:
        yield from _wrapped(f"goal: {plain(answers.goal)}", "")
    yield f"{verdict.title} ({_BASIS[verdict.spoke] if verdict.measured else _PROVISIONAL})"
    if verdict.measurement:
        yield from _wrapped(plain(verdict.measurement), "  ")
    for lacking in verdict.not_measured:
        yield from _wrapped(f"not measured: {plain(lacking)}", "  ")
    yield from _wrapped(f"confidence {verdict.confidence}: {verdict.confidence_because}", "  ")
    if verdict.answered_by_facts:
        counted = ", ".join(f"{id} {value}" for id, value in verdict.answered_by_facts.items())
        yield from _wrapped(f"counted in the rows: {counted}", "  ")
    if verdict.repair:
        yield "to repair"
        for trouble in verdict.repair:
            first = f", first at {plain(trouble.places[0])}" if trouble.places else ""
            yield from _wrapped(f"{trouble.message}{first}: {trouble.repair}", "  - ")
    yield ""
    yield "because"
    yield from _reasons(verdict.because, towards=False)
    if verdict.against:
        yield "against"
        yield from _reasons(verdict.against, towards=True)
    if verdict.training:
        yield "which training"
        for step in verdict.training:
            yield from _wrapped(f"{step.title}: {step.sentence}", "  - ")
            yield from _wrapped(f"[{step.rule}; {step.source}]", "    ")
    yield "would change it"
    for change in verdict.would_change:
        yield from _wrapped(change.sentence, "  - ")
    yield "next"
    yield from _wrapped(verdict.next_step.sentence, "  ")
    yield f"    {plain(verdict.next_step.command)}"
    yield ""
    rows = [["approach", "cost", "time", "upkeep"]]
    rows += [[a.title, a.cost, a.time, a.upkeep] for a in verdict.approaches]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()


def _reasons(reasons: tuple[Reason, ...], *, towards: bool) -> Iterator[str]:
    for reason in reasons:
        lead = ""
        if towards and reason.towards:
            lead = f"for {' and '.join(TITLES[id] for id in reason.towards)}: "
        yield from _wrapped(lead + reason.sentence, "  - ")
        yield from _wrapped(f"[{reason.rule}; {reason.source}]", "    ")


def _wrapped(text: str, lead: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text, _WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead), break_long_words=False
    )
