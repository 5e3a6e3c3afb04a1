"""Stage "baseline": what the base model can do before any training, given its best chance."""

from __future__ import annotations

import time

import msgspec

from tunewright.engine.prove.likelihood import Likelihood
from tunewright.engine.prove.measure import Measured
from tunewright.engine.prove.score import AnswerKind
from tunewright.engine.prove.statistics import percent
from tunewright.engine.prove.threads import Threads
from tunewright.engine.run.job import Job

NAMES = {"exact": "exact", "f1": "word F1"}


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base model on the held-out rows. `figures` is what a replay compares, `verdict` the
    outcome in one line.

    `rows` are places in the held-out split, `wants` their reference answers, `primary` the figure
    that decides: "exact" where an answer is right or wrong, "f1" for free text. `few_shot` is None
    when no example was asked for or none fitted the context.
    """

    figures: dict[str, float]
    verdict: str
    kind: AnswerKind
    primary: str
    rows: tuple[int, ...]
    left_out: int
    wants: tuple[str, ...]
    max_new_tokens: int
    zero_shot: Measured
    few_shot: Measured | None
    likelihood: Likelihood
    threads: Threads | None
    seconds: float

    def best(self) -> Measured:
        """The better of the two by the primary figure: what training has to beat."""
        if self.few_shot is None:
            return self.zero_shot
        pair = (self.zero_shot, self.few_shot)
        return max(pair, key=lambda m: (getattr(m, self.primary).mean, m.f1.mean))


def primary_figure(kind: AnswerKind) -> str:
    """Free text is seldom equal word for word, so word F1 decides there."""
    return "f1" if kind == "text" else "exact"


def verdict(zero_shot: Measured, few_shot: Measured | None, primary: str) -> str:
    """What the base can do, in one line with figures and intervals."""
    told = f"base zero-shot {percent(getattr(zero_shot, primary))} {NAMES[primary]}"
    if few_shot is None:
        return told
    return f"{told}, with {few_shot.shots} examples {percent(getattr(few_shot, primary))}"


def run(job: Job) -> None:
    """Measure the base zero-shot, few-shot and by the likelihood of the reference answers."""
    from tunewright.engine.prove.measure import (
        Pace,
        emit_samples,
        measure_answers,
        measure_likelihood,
    )
    from tunewright.engine.prove.models import load_base, release
    from tunewright.engine.prove.rows import held_out
    from tunewright.engine.prove.threads import threads_for
    from tunewright.engine.train.trainer import quiet_libraries

    quiet_libraries()
    started = time.monotonic()
    held = held_out(job)
    model = load_base(job)
    threads = threads_for(job, model, held.prompts())
    pace = Pace(job, "baseline", len(held.rows) * (3 if held.shots else 2))
    likelihood = measure_likelihood(job, model, held, threads, pace)
    zero_shot = measure_answers(job, model, held, (), threads, pace)
    few_shot = measure_answers(job, model, held, held.shots, threads, pace) if held.shots else None
    primary = primary_figure(held.kind)
    result = Baseline(
        figures={
            **zero_shot.figures("zero_shot_"),
            **(few_shot.figures("few_shot_") if few_shot else {}),
            "nats_per_token": likelihood.nats_per_token,
        },
        verdict=verdict(zero_shot, few_shot, primary),
        kind=held.kind,
        primary=primary,
        rows=held.numbers,
        left_out=held.left_out,
        wants=held.wants,
        max_new_tokens=job.setting("evaluation.max_new_tokens"),
        zero_shot=zero_shot,
        few_shot=few_shot,
        likelihood=likelihood,
        threads=threads,
        seconds=round(time.monotonic() - started, 3),
    )
    emit_samples(job, "baseline", held, result.best())
    job.save_result("baseline", result)
    del model
    release()
