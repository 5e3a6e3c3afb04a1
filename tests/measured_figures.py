"""Figures of an evidence run, made up: so many of 50 rows right by each approach."""

from __future__ import annotations

from typing import Any

from tunewright.engine.decide.facts import Facts
from tunewright.engine.decide.measured import Measured, measured_of
from tunewright.engine.evidence.measure import scored
from tunewright.engine.evidence.result import Arm, Evidence, Group, Pilot, PilotPoint

ROWS = 50


def arm(id: str, group: Group, right: int, offset: int = 0, form: Any = "short") -> Arm:
    """An arm that gets `right` of the rows right, beginning at row `offset`."""
    wants = [f"answer {n}" for n in range(ROWS)]
    hits = {(offset + n) % ROWS for n in range(right)}
    answers = [want if n in hits else "wrong" for n, want in enumerate(wants)]
    return scored(id, f"title of {id}", group, wants, answers, form, seed=1)


def evidence(*arms: Arm, target: float | None = 0.85) -> Evidence:
    return Evidence(
        figures={}, verdict="", form="short", primary="exact", target=target,
        rows=tuple(range(ROWS)), asks=("q",) * ROWS, wants=("w",) * ROWS, leaked=0, left_out=0,
        instruction="", shots=(), arms=arms, examples_help=None, no_likelihood="",
        max_new_tokens=8, served_as=None, threads=None, seconds=1.0,
    )  # fmt: skip


def pilot(*right: int, expected: float | None = None) -> Pilot:
    points = tuple(
        PilotPoint(100 * 2**n, 60, 4, 1.0, arm(f"tuned_{n}", "training", count))
        for n, count in enumerate(right)
    )
    return Pilot({}, "", 5e-4, points, None, None, None, expected, 1.0)


def figures(
    prompting: int, retrieval: int | None = None, tuned: int | None = None, **more: Any
) -> Measured:
    arms = [arm("few_shot", "prompting", prompting)]
    if retrieval is not None:
        arms.append(arm("retrieve_documents", "retrieval", retrieval))
    trained = None if tuned is None else pilot(tuned, **more)
    return measured_of(evidence(*arms), trained, seed=1)


def facts(measured: Measured, **more: Any) -> Facts:
    return Facts(rows=600, eval_rows=50, duplicate_rows=0, measured=measured, **more)
