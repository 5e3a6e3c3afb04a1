"""Run directories as a run leaves them, written by hand: any state, any events, no training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from jobs import build_job
from tiny import TinyData

from tunewright.engine.homes import index_home
from tunewright.engine.run.create import create
from tunewright.engine.run.events import Event, EventWriter, Step
from tunewright.engine.run.lock import take_lock
from tunewright.engine.run.process import mark
from tunewright.engine.run.rundir import (
    Attempt,
    ExitRecord,
    LaunchOptions,
    RunDir,
    RunRecord,
    write_exit,
    write_record,
)
from tunewright.engine.session import encode_session

# Far enough from "now" that no figure of a test depends on the moment.
STARTED = 1_700_000_000.0


# A process that is no more: a pid above what Linux gives.
NOBODY = msgspec.structs.replace(mark(), pid=(1 << 22) + 1)


def step(number: int, total: int = 100, loss: float | None = None) -> Step:
    """A step of a loss that falls."""
    return Step(
        step=number,
        total_steps=total,
        epoch=number / 50,
        loss=3.0 / (1 + number / 20) if loss is None else loss,
        learning_rate=1e-4,
        grad_norm=1.0,
        tokens=100 * number,
        tokens_per_second=200.0 + number % 7,
        step_seconds=0.5,
        eta_seconds=0.5 * (total - number),
        host_bytes=700 << 20,
    )


def write_run(
    home: Path,
    model: Path,
    data: TinyData,
    events: Sequence[Event] = (),
    *,
    id: str = "tiny-20260102-030405-abcd",
    ended: ExitRecord | None = None,
    said: Sequence[Event] = (),
    started: float = STARTED,
) -> RunDir:
    """A run in the index of TUNEWRIGHT_HOME with one attempt; `said` are the supervisor's events.
    Without `ended`, `held(run)` makes it one that lives."""
    job = build_job(home / "job", model, data)
    run = create(home / "runs" / id, encode_session(job.session), RunRecord(id, "tiny", started))
    attempt = Attempt(1, started, "launched", LaunchOptions(), NOBODY, ())
    write_record(run, RunRecord(id, "tiny", started, (attempt,)))
    write_events(run, "1-supervisor", said)
    write_events(run, "1-worker0", events)
    run.lock.touch()
    if ended is not None:
        write_exit(run, ended)
    assert (index_home() / id).is_file()
    return run


def write_events(run: RunDir, writer: str, events: Sequence[Event]) -> None:
    """Append events to the file of a writer."""
    with EventWriter(run.events / f"{writer}.jsonl") as file:
        for event in events:
            file.write(event)


def held(run: RunDir) -> int:
    """Hold the lock of a run, so that it lives; close the descriptor to end it."""
    fd = take_lock(run.lock, patience=5.0)
    assert fd is not None
    return fd


def ending(
    state: str, what: str = "all stages are done", why: str = "", cure: str = ""
) -> ExitRecord:
    """How a run ended, a minute and a half after its start."""
    return ExitRecord(state, 0 if state == "done" else 1, 1, STARTED + 95, what, why, cure)  # type: ignore[arg-type]
