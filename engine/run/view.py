"""The state of a run, worked out from its files alone; from this host or another one."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from tunewright.engine.run.events import Event, Failed, State
from tunewright.engine.run.lock import is_locked
from tunewright.engine.run.process import is_alive
from tunewright.engine.run.reader import EventFile, RunEvents
from tunewright.engine.run.rundir import ExitRecord, RunDir, RunRecord

RunState = Literal[
    "starting", "running", "paused", "stopping", "stopped", "done", "failed", "crashed"
]

# Twelve missed heartbeats: a shared file system shows a file late, seldom a minute late.
HEARTBEAT_STALE_SECONDS = 60.0


class RunView(msgspec.Struct, frozen=True):
    """One run as it stands now. `ended` is how the last attempt ended, None while it goes on."""

    record: RunRecord
    state: RunState
    alive: bool
    ended: ExitRecord | None


def view(run: RunDir) -> RunView:
    """The state of `run`. A free lock without exit.json means that the supervisor crashed."""
    record = run.read_record()
    alive = is_running(run, record)
    if alive:
        return RunView(record, _said_state(run, record), True, None)
    ended = run.read_exit()
    if ended is None or (record.attempts and ended.attempt < record.attempts[-1].number):
        ended = ExitRecord(
            state="crashed",
            exit=1,
            attempt=len(record.attempts),
            time=record.attempts[-1].started if record.attempts else record.created,
            what="the supervisor is gone and left no record",
            why="it was killed, or the machine went down or was rebooted",
            cure=f"go on from the last checkpoint: tunewright resume {record.id}",
        )
    return RunView(record, ended.state, False, ended)


def is_running(run: RunDir, record: RunRecord) -> bool:
    """Whether a supervisor lives: by the lock on its own host, by the heartbeat from another."""
    if not record.attempts:
        return is_locked(run.lock)
    if record.attempts[-1].supervisor.host == socket.gethostname():
        return is_locked(run.lock)
    beat = run.read_heartbeat()
    return (
        run.read_exit() is None
        and beat is not None
        and time.time() - beat.time < HEARTBEAT_STALE_SECONDS
    )


def living_processes(record: RunRecord) -> list[int]:
    """Pids recorded by any attempt that still live on this host, or may live on another one."""
    return [
        process.pid
        for attempt in record.attempts
        for process in (attempt.supervisor, *attempt.workers)
        if is_alive(process)
    ]


def _said_state(run: RunDir, record: RunRecord) -> RunState:
    state: RunState = "starting"
    said: EventFile[Event] = EventFile(run.events / f"{len(record.attempts)}-supervisor.jsonl")
    for batch in said.read_new():
        for event in batch:
            if isinstance(event, State):
                state = event.state
    return state


def last_failure(run: RunDir, attempt: int) -> Failed | None:
    """The last failure that a worker of `attempt` wrote before it ended."""
    found = None
    for path in sorted(run.events.glob(f"{attempt}-worker*.jsonl")):
        told: EventFile[Event] = EventFile(path)
        for batch in told.read_new():
            for event in batch:
                if isinstance(event, Failed):
                    found = event
    return found


def follow(
    run: RunDir,
    from_attempt: int = 1,
    poll_seconds: float = 0.25,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[Event]:
    """Events as they come, until the run has ended and all is read."""
    events = RunEvents(run.events, from_attempt)
    while True:
        # Looked at before reading: what was written before the end is then never missed.
        over = not is_running(run, run.read_record())
        yield from events.read_new()
        if over:
            return
        wait(poll_seconds)
