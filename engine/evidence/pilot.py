"""Stage "pilot": short trainings on three sizes of a slice, measured like the other arms."""

from __future__ import annotations

import shutil
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.data.example import Example
from tunewright.engine.evidence.kit import json_row
from tunewright.engine.evidence.measure import scored
from tunewright.engine.evidence.plan import PILOT_BATCH, pilot_steps
from tunewright.engine.evidence.result import Arm, Evidence, Group, Pilot, PilotPoint
from tunewright.engine.evidence.scoring import NAMES
from tunewright.engine.evidence.stage import draw, given_of, local_asker, told
from tunewright.engine.files import write_atomic
from tunewright.engine.plan import Decision
from tunewright.engine.prove.statistics import Interval, bootstrap_interval
from tunewright.engine.run.events import Note
from tunewright.engine.run.job import Job, Stopped
from tunewright.engine.session import DataInput


def run(job: Job) -> None:
    """Train and measure each size, unless something cheaper reaches the target already."""
    started = time.monotonic()
    evidence = job.load_result("evidence", Evidence)
    assert evidence is not None
    needless = _needless(job, evidence)
    if needless is not None:
        job.emit(Note(text=f"pilot: {needless}"))
        job.save_result("pilot", Pilot({}, needless, None, (), None, None, None, None, 0.0))
        return
    order, train, held = _slice_order(job, evidence)
    rate = job.setting("pilot.learning_rate") or job.setting("training.learning_rate")
    points: list[PilotPoint] = []
    for rows in sorted(set(job.setting("pilot.rows"))):
        points.append(_point(job, evidence, [train[n] for n in order[:rows]], held, rate))
        figure = points[-1].arm.figures[evidence.primary]
        job.emit(Note(text=f"pilot on {rows:,} rows: {told(figure)} {NAMES[evidence.primary]}"))
    job.save_result("pilot", _result(points, evidence, rate, job, started))


def _needless(job: Job, evidence: Evidence) -> str | None:
    wanted = given_of(job).pilot
    if wanted == "never":
        return "not run: it was not wanted"
    if wanted == "always" or evidence.target is None:
        return None
    groups: tuple[Group, ...] = ("prompting", "retrieval")
    for group in groups:
        best = evidence.best(group)
        if best is not None and best.figures[evidence.primary].mean >= evidence.target:
            return f"not run: {group} reaches {evidence.target:g} without any training"
    return None


def _slice_order(
    job: Job, evidence: Evidence
) -> tuple[array[int], Sequence[Example], list[Example]]:
    """A seeded order of the training rows, of which each size takes the first, these rows, and the
    rows asked."""
    import random

    from tunewright.engine.data.prepared import load_split

    drawn = draw(job)
    _, everything = load_split(job)
    order = array("I", range(len(drawn.train)))
    random.Random(job.session.inputs.seed).shuffle(order)
    return order, drawn.train, [everything[n] for n in evidence.rows]


def _point(
    job: Job, evidence: Evidence, train: Sequence[Example], held: Sequence[Example], rate: float
) -> PilotPoint:
    from tunewright.engine.prove.models import release
    from tunewright.engine.train.registry import method as method_of
    from tunewright.engine.train.sft import settle_threads
    from tunewright.engine.train.token_files import token_files
    from tunewright.engine.train.trainer import build_trainer, quiet_libraries

    quiet_libraries()
    folder = job.run_dir / "pilot"
    folder.mkdir(mode=0o700, exist_ok=True)
    small = _small_job(job, folder, train, rate)
    scratch = folder / f"{len(train)}-checkpoints"
    assert small.session.plan is not None
    method = method_of(small.session.plan.method.value)
    with token_files(small):
        trainer = build_trainer(small, method, scratch, resuming=False)
        settle_threads(job, trainer)
        trainer.add_callback(_callback(job, pilot_steps(len(train))))
        started = time.monotonic()
        trainer.train()
    seconds = round(time.monotonic() - started, 3)
    # Only what was measured is kept: the whole training starts from the base.
    shutil.rmtree(scratch, ignore_errors=True)
    because = job.orders.stop_requested()
    if because is not None:
        raise Stopped(because)
    model = trainer.model.eval()
    arm = _measured(job, evidence, model, held, len(train))
    point = PilotPoint(len(train), pilot_steps(len(train)), PILOT_BATCH, seconds, arm)
    del trainer, model
    release()
    return point


def _small_job(job: Job, folder: Path, train: Sequence[Example], rate: float) -> Job:
    """The same run on a slice: its rows in a file of their own, and a short schedule."""
    path = folder / f"{len(train)}-rows.jsonl"
    lines = [json_row(example) for example in train]
    write_atomic(path, "\n".join(lines) + "\n")
    session = job.session
    assert session.plan is not None
    short = {
        "training.max_steps": pilot_steps(len(train)),
        "training.learning_rate": rate,
        "training.lr_scheduler_type": "linear",
        "training.per_device_train_batch_size": PILOT_BATCH,
        "training.gradient_accumulation_steps": 1,
        "training.packing": False,
        "training.eval_strategy": "no",
        "training.eval_on_start": False,
        "training.load_best_model_at_end": False,
        "training.save_steps": 10**6,
        "training.logging_steps": 1,
    }
    settings = session.plan.settings | {
        key: Decision(value, "a pilot is short", "pilot.short")
        for key, value in short.items()
        if key in session.plan.settings or key in ("training.max_steps",)
    }
    # The held-out rows are not trained on and not evaluated by the trainer: any file will do.
    data = DataInput(path=str(path), format="messages", eval_path=str(path))
    return msgspec.structs.replace(
        job,
        session=msgspec.structs.replace(
            session,
            inputs=msgspec.structs.replace(session.inputs, data=data),
            plan=msgspec.structs.replace(session.plan, settings=settings),
        ),
    )


def _callback(job: Job, steps: int) -> object:
    from transformers import TrainerCallback

    from tunewright.engine.prove.measure import Pace

    class Told(TrainerCallback):  # type: ignore[misc]
        """Says each step, and stops at a boundary when asked to. Steps are told as progress: the
        curve of a run is that of its whole training."""

        def __init__(self) -> None:
            self._pace = Pace(job, "pilot", steps, "steps")

        def on_step_end(self, args, state, control, **_):  # type: ignore[no-untyped-def]
            self._pace.advance()
            job.orders.wait_while_paused()
            if job.orders.stop_requested() is not None:
                control.should_training_stop = True
            return control

    return Told()


def _measured(job: Job, evidence: Evidence, model: Any, held: Sequence[Example], rows: int) -> Arm:
    """The tuned model on the rows as they are: what it learned need not be said."""
    from tunewright.engine.prove.measure import Pace

    asker, _ = local_asker(job, model, held, evidence.max_new_tokens)
    pace = Pace(job, "pilot", 2 * len(held))
    started = time.monotonic()
    likelihood = asker.likelihood(held, pace.advance)
    said = asker.ask(held, lambda: pace.advance(1))
    return scored(
        f"tuned_{rows}",
        f"trained on {rows:,} rows, the row alone",
        "training",
        evidence.wants,
        said.texts,
        evidence.form,
        job.session.inputs.seed,
        prompt_tokens=round(sum(said.prompt_tokens) / len(held), 1),
        latency_seconds=said.latency_seconds,
        likelihood=likelihood,
        cut=said.cut,
        seconds=round(time.monotonic() - started, 3),
    )


def _result(
    points: Sequence[PilotPoint], evidence: Evidence, rate: float, job: Job, started: float
) -> Pilot:
    primary = evidence.primary
    last = points[-1]
    doubling, nats, expected = more_rows(points, primary, job.session.inputs.seed)
    reached = " → ".join(f"{p.rows:,}: {p.arm.figures[primary].mean:.2f}" for p in points)
    return Pilot(
        figures={f"{p.arm.id}_{primary}": p.arm.figures[primary].mean for p in points}
        | {f"{p.arm.id}_nats": p.arm.likelihood.nats_per_token for p in points if p.arm.likelihood},
        verdict=f"{NAMES[primary]} by rows {reached}; {told(last.arm.figures[primary])}"
        + (f"; about {expected:.2f} at {2 * last.rows:,}" if expected is not None else ""),
        learning_rate=rate,
        points=tuple(points),
        doubling=doubling,
        nats_doubling=nats,
        expected_rows=None if expected is None else 2 * last.rows,
        expected=expected,
        seconds=round(time.monotonic() - started, 3),
    )


def more_rows(
    points: Sequence[PilotPoint], primary: str, seed: int
) -> tuple[Interval | None, float | None, float | None]:
    """What the last doubling brought (paired, with its interval; and in nats a token), and the
    figure to expect from one more.

    Learning curves flatten (Hestness et al. 2017, arXiv:1712.00409): the next doubling is expected
    to bring the last gain times the share of the one before that it still had, never more than the
    last, and nothing where the last brought nothing.
    """
    if len(points) < 2:
        return None, None, None
    before, last = points[-2].arm, points[-1].arm
    differences = [b - a for a, b in zip(before.scores[primary], last.scores[primary], strict=True)]
    doubling = bootstrap_interval(differences, seed=seed, bounds=(-1.0, 1.0))
    nats = (
        last.likelihood.nats_per_token - before.likelihood.nats_per_token
        if last.likelihood and before.likelihood
        else None
    )
    gain = max(0.0, doubling.mean)
    kept = 0.5
    if len(points) > 2:
        earlier = before.figures[primary].mean - points[-3].arm.figures[primary].mean
        if earlier > 0:
            kept = min(1.0, gain / earlier)
    return doubling, nats, min(1.0, last.figures[primary].mean + gain * kept)
