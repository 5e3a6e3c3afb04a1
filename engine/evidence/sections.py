"""What an evidence run found, as sections of a report in Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from tunewright.engine.evidence.decision import Decided
from tunewright.engine.evidence.result import Arm, Evidence, Pilot
from tunewright.engine.evidence.scoring import NAMES
from tunewright.engine.prove.markdown import escaped, fenced, sentence, table
from tunewright.engine.prove.statistics import percent

_SHOWN = 5


def decision_section(decided: Decided | None) -> Iterator[str]:
    """The verdict with what speaks for and against it, and what to do next."""
    if decided is None:
        return
    found = decided.decision
    yield f"## Decision: {found.title}"
    yield ""
    yield f"Confidence {found.confidence}: {escaped(found.confidence_because)}."
    for head, reasons in (("For it:", found.because), ("Against it:", found.against)):
        if reasons:
            yield ""
            yield head
            yield ""
        for reason in reasons:
            yield f"- {escaped(reason.sentence)} ({reason.basis}: {escaped(reason.source)})"
    yield ""
    yield sentence(f"Next: {found.next_step.sentence}")
    if found.next_step.command:
        yield ""
        yield fenced(found.next_step.command)


def evidence_section(evidence: Evidence | None, pilot: Pilot | None) -> Iterator[str]:
    """Every arm with its figures and what it costs, and the first rows with their answers."""
    if evidence is None:
        return
    arms = [*evidence.arms, *(point.arm for point in (pilot.points if pilot else ()))]
    metrics = list(arms[0].figures)
    yield f"## Measured on {len(evidence.rows)} held-out rows"
    yield ""
    yield table(
        ["approach", *(NAMES[m] for m in metrics), "nats a token", "prompt tokens", "one answer"],
        ([escaped(arm.title), *_cells(arm, metrics)] for arm in arms),
    )
    yield ""
    yield (
        "In brackets: 95 % intervals (percentile bootstrap over rows; exact bounds where all rows "
        "are equal). One answer: median of single requests."
    )
    if evidence.leaked:
        yield f"{evidence.leaked} held-out rows stand in training and were left out."
    if evidence.left_out:
        yield f"{evidence.left_out} rows did not fit the model and were left out."
    if pilot is not None:
        yield ""
        yield sentence(f"Pilot: {pilot.verdict}")
    yield ""
    yield "The instruction:"
    yield ""
    yield fenced(evidence.instruction)
    best = [arm for arm in (evidence.best("prompting"), evidence.best("retrieval")) if arm]
    for row in range(min(_SHOWN, len(evidence.rows))):
        yield ""
        yield f"### Held-out row {evidence.rows[row] + 1}"
        said = [("Wanted", evidence.wants[row]), *((arm.title, arm.answers[row]) for arm in best)]
        for name, text in said:
            yield ""
            yield f"{escaped(name)}:"
            yield ""
            yield fenced(text)


def _cells(arm: Arm, metrics: list[str]) -> Iterator[str]:
    for metric in metrics:
        yield percent(arm.figures[metric])
    yield f"{arm.likelihood.nats_per_token:.2f}" if arm.likelihood else ""
    yield f"{arm.prompt_tokens:.0f}" if arm.prompt_tokens is not None else ""
    yield f"{arm.latency_seconds:.2f} s" if arm.latency_seconds is not None else ""
