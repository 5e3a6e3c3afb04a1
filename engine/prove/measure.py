"""Asking a model every held-out row and scoring what it says; with progress, and obeying orders."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from tunewright.engine.data.example import Example
from tunewright.engine.prove.generate import greedy_answers, split_shared
from tunewright.engine.prove.likelihood import Likelihood, reference_likelihood
from tunewright.engine.prove.rows import HeldOut
from tunewright.engine.prove.score import Scores, score_answers
from tunewright.engine.prove.statistics import Interval, bootstrap_interval
from tunewright.engine.prove.threads import Threads, using
from tunewright.engine.run.events import Progress, Sample
from tunewright.engine.run.job import Job, Stopped

_SAMPLE_CHARACTERS = 2000


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one model said to every row, given `shots` examples, and what it is worth.

    `answers` stand in the order of the held-out rows; `cut` of them reached the token limit.
    `shared_tokens` of each prompt were read once for all. `valid` is None unless answers are JSON.
    """

    shots: int
    answers: tuple[str, ...]
    answer_tokens: tuple[int, ...]
    cut: int
    scores: Scores
    exact: Interval
    f1: Interval
    valid: Interval | None
    shared_tokens: int
    seconds: float

    def figures(self, prefix: str = "") -> dict[str, float]:
        """The figures that a replay compares, by name."""
        found = {f"{prefix}exact": self.exact.mean, f"{prefix}f1": self.f1.mean}
        if self.valid is not None:
            found[f"{prefix}valid"] = self.valid.mean
        return found


class Pace:
    """Progress of a stage over all its rows, and the place where it obeys orders."""

    def __init__(self, job: Job, stage: str, total: int, unit: str = "rows") -> None:
        self._job = job
        self._stage = stage
        self._total = total
        self._unit = unit
        self._done = 0
        self._started = time.monotonic()

    def advance(self, rows: int = 1) -> None:
        """`rows` more are done: tell so, with the time left at the pace so far."""
        self._done += rows
        elapsed = time.monotonic() - self._started
        left = elapsed / self._done * (self._total - self._done)
        self._job.emit(
            Progress(
                stage=self._stage,
                done=self._done,
                total=self._total,
                unit=self._unit,
                eta_seconds=round(left, 1),
            )
        )

    def extend(self, rows: int) -> None:
        """There are `rows` more to do than was thought."""
        self._total += rows

    def obey(self) -> None:
        """Wait while paused; raise `Stopped` when the run is asked to stop."""
        orders = self._job.orders
        orders.wait_while_paused()
        because = orders.stop_requested()
        if because is not None:
            raise Stopped(because)


def measure_answers(
    job: Job,
    model: Any,
    held: HeldOut,
    shots: Sequence[Example],
    threads: Threads | None,
    pace: Pace,
) -> Measured:
    """Greedy answers to every held-out row after `shots`, scored, with 95 % intervals."""
    started = time.monotonic()
    limit = job.setting("evaluation.max_new_tokens")
    prefix, rests = split_shared(held.prompts(shots))
    answers = greedy_answers(
        model,
        rests,
        prefix=prefix,
        eos_ids=held.eos_ids,
        max_new_tokens=limit,
        batch_size=job.setting("evaluation.batch_size"),
        threads=threads,
        on_answer=lambda _row, _answer: pace.advance(),
        between_steps=pace.obey,
    )
    texts = tuple(held.text(answer) for answer in answers)
    scores = score_answers(held.wants, texts, held.kind)
    seed = job.session.inputs.seed
    return Measured(
        shots=len(shots),
        answers=texts,
        answer_tokens=tuple(len(answer) for answer in answers),
        cut=sum(len(answer) == limit for answer in answers),
        scores=scores,
        exact=bootstrap_interval([float(x) for x in scores.exact], seed=seed),
        f1=bootstrap_interval(scores.f1, seed=seed),
        valid=bootstrap_interval([float(x) for x in scores.valid], seed=seed)
        if scores.valid
        else None,
        shared_tokens=len(prefix),
        seconds=round(time.monotonic() - started, 3),
    )


def measure_likelihood(
    job: Job, model: Any, held: HeldOut, threads: Threads | None, pace: Pace
) -> Likelihood:
    """Likelihood of the held-out reference answers, masked like training."""
    done = 0

    def progress(rows: int) -> None:
        nonlocal done
        pace.advance(rows - done)
        done = rows

    with using(threads.prefill if threads else None):
        return reference_likelihood(
            model,
            held.references(job.setting("loss.on"), job.setting("training.max_length")),
            batch_size=job.setting("evaluation.batch_size"),
            on_progress=progress,
            between_batches=pace.obey,
        )


def emit_samples(job: Job, stage: str, held: HeldOut, measured: Measured) -> None:
    """Show every row as a sample event: what was wanted and what came, each cut for the screen."""
    for number, want, got in zip(held.numbers, held.wants, measured.answers, strict=True):
        job.emit(
            Sample(
                stage=stage,
                row=number,
                want=want[:_SAMPLE_CHARACTERS],
                got=got[:_SAMPLE_CHARACTERS],
            )
        )
