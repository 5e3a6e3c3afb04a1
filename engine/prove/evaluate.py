"""Stage "evaluate": the tuned model on the same rows, and whether it is really better."""

from __future__ import annotations

import time
from typing import Literal

import msgspec

from tunewright.engine.prove.baseline import NAMES, Baseline, primary_figure
from tunewright.engine.prove.likelihood import Likelihood
from tunewright.engine.prove.measure import Measured
from tunewright.engine.prove.score import AnswerKind
from tunewright.engine.prove.statistics import (
    PairedTest,
    compare_binary,
    compare_means,
    p_text,
    percent,
)
from tunewright.engine.prove.threads import Threads
from tunewright.engine.run.job import Job

SIGNIFICANT = 0.05

Outcome = Literal["better", "worse", "no difference shown"]


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tuned against the better of the base's measurements (`base_shots` examples), row by row."""

    base_shots: int
    outcome: Outcome
    exact: PairedTest
    f1: PairedTest
    valid: PairedTest | None


class Evaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tuned model on the held-out rows. `figures` is what a replay compares; `verdict` says in
    one sentence what was shown. `comparison` is None when the base was not measured."""

    figures: dict[str, float]
    verdict: str
    kind: AnswerKind
    primary: str
    rows: tuple[int, ...]
    left_out: int
    wants: tuple[str, ...]
    tuned: Measured
    likelihood: Likelihood
    comparison: Comparison | None
    threads: Threads | None
    seconds: float


def run(job: Job) -> None:
    """Measure the tuned model zero-shot and compare it with the baseline of this run; write the
    figures into the model card."""
    from tunewright.engine.prove.measure import (
        Pace,
        emit_samples,
        measure_answers,
        measure_likelihood,
    )
    from tunewright.engine.prove.models import load_tuned, release
    from tunewright.engine.prove.rows import held_out
    from tunewright.engine.prove.threads import threads_for
    from tunewright.engine.ship.card import write_cards
    from tunewright.engine.train.trainer import quiet_libraries

    quiet_libraries()
    started = time.monotonic()
    held = held_out(job)
    model = load_tuned(job)
    threads = threads_for(job, model, held.prompts())
    pace = Pace(job, "evaluate", len(held.rows) * 2)
    likelihood = measure_likelihood(job, model, held, threads, pace)
    tuned = measure_answers(job, model, held, (), threads, pace)
    baseline = job.load_result("baseline", Baseline)
    primary = primary_figure(held.kind)
    comparison = compare(baseline, tuned, primary, job.session.inputs.seed) if baseline else None
    emit_samples(job, "evaluate", held, tuned)
    job.save_result(
        "evaluate",
        Evaluation(
            figures={**tuned.figures(), "nats_per_token": likelihood.nats_per_token},
            verdict=verdict(tuned, baseline, comparison, primary),
            kind=held.kind,
            primary=primary,
            rows=held.numbers,
            left_out=held.left_out,
            wants=held.wants,
            tuned=tuned,
            likelihood=likelihood,
            comparison=comparison,
            threads=threads,
            seconds=round(time.monotonic() - started, 3),
        ),
    )
    write_cards(job)
    del model
    release()


def compare(baseline: Baseline, tuned: Measured, primary: str, seed: int) -> Comparison:
    """Paired tests of `tuned` against the base at its best, on the same rows."""
    base = baseline.best()
    exact = compare_binary(base.scores.exact, tuned.scores.exact, seed=seed)
    f1 = compare_means(base.scores.f1, tuned.scores.f1, seed=seed)
    valid = (
        compare_binary(base.scores.valid, tuned.scores.valid, seed=seed)
        if tuned.scores.valid
        else None
    )
    deciding = f1 if primary == "f1" else exact
    outcome: Outcome = "no difference shown"
    if deciding.p_value < SIGNIFICANT:
        outcome = "better" if deciding.difference.mean > 0 else "worse"
    return Comparison(base.shots, outcome, exact, f1, valid)


def verdict(
    tuned: Measured, baseline: Baseline | None, comparison: Comparison | None, primary: str
) -> str:
    """What was shown, in one sentence with figures, intervals and the test."""
    name = NAMES[primary]
    got = percent(getattr(tuned, primary))
    if baseline is None or comparison is None:
        return f"tuned {got} {name}; the base was not measured, so nothing is shown against it"
    best = baseline.best()
    base = "few-shot" if best.shots else "zero-shot"
    test = comparison.f1 if primary == "f1" else comparison.exact
    told = f"tuned {got} {name} against base {base} {percent(getattr(best, primary))}; "
    p = f"paired {p_text(test.p_value)}, {test.won} rows won, {test.lost} lost"
    if comparison.outcome == "no difference shown":
        return f"{told}no difference shown ({p})"
    return f"{told}{comparison.outcome} ({p})"
