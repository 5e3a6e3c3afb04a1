"""The state of a run, worked out from its files alone; from this host or another one."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Literal

import msgspec

from tunewright.engine.run.events import Event, Failed, State
from tunewright.engine.run.lock import is_locked
from tunewright.engine.run.orders import ORPHAN_GRACE_SECONDS
from tunewright.engine.run.process import is_alive
from tunewright.engine.run.reader import EventFile
from tunewright.engine.run.rundir import ExitRecord, RunDir, RunRecord, spoken
from tunewright.hardware.errors import Problem

RunState = Literal[
    "starting", "running", "paused", "stopping", "stopped", "done", "failed", "crashed"
]

# Twelve missed heartbeats: a shared file system shows a file late, seldom a minute late.
HEARTBEAT_STALE_SECONDS = 60.0
# From a new directory to the lock: a Python that starts from a cold disk on a busy machine.
START_SECONDS = 120.0


class RunView(msgspec.Struct, frozen=True):
    """One run as it stands now. `ended` is how the last attempt ended, None while it goes on."""

    record: RunRecord
    state: RunState
    alive: bool
    ended: ExitRecord | None


def view(run: RunDir) -> RunView:
    """The state of `run`. A free lock without exit.json means that the supervisor crashed.

    A `Problem` when run.json is damaged or gone.
    """
    record = run.read_record()
    alive = is_running(run, record)
    if alive:
        return RunView(record, _said_state(run, record), True, None)
    what = "the supervisor is gone and left no record"
    why = "it was killed, the machine went down or was rebooted, or its disk was full"
    try:
        ended = run.read_exit()
    except Problem as damage:
        ended, what, why = None, damage.what, damage.why
    if ended is None or (record.attempts and ended.attempt < record.attempts[-1].number):
        ended = ExitRecord(
            state="crashed",
            exit=1,
            attempt=len(record.attempts),
            time=_last_sign(run, record),
            what=what,
            why=why,
            cure=f"go on from the last checkpoint: tunewright resume {spoken(run, record.id)}",
        )
    return RunView(record, ended.state, False, ended)


def _last_sign(run: RunDir, record: RunRecord) -> float:
    """When something was last written of a run that left no record of its end."""
    started = record.attempts[-1].started if record.attempts else record.created
    signs = [started]
    for file in (run.heartbeat, *run.events.glob("*.jsonl")):
        # What is being deleted has no time any more.
        with contextlib.suppress(OSError):
            signs.append(file.stat().st_mtime)
    return max(signs)


def is_running(run: RunDir, record: RunRecord) -> bool:
    """Whether a supervisor lives: by the lock on its own host, by the heartbeat from another.

    So does one that was launched a moment ago and has not taken the lock yet.
    """
    if not record.attempts:
        fresh = not run.exit.exists() and abs(time.time() - record.created) < START_SECONDS
        return fresh or is_locked(run.lock)
    if record.attempts[-1].supervisor.host == socket.gethostname():
        return is_locked(run.lock)
    beat = run.read_heartbeat()
    return (
        not run.exit.exists()
        and beat is not None
        and time.time() - beat.time < HEARTBEAT_STALE_SECONDS
    )


def living_processes(record: RunRecord) -> list[int]:
    """Pids recorded by any attempt that still live on this host; see `foreign_seconds` too."""
    return [
        process.pid
        for attempt in record.attempts
        for process in (attempt.supervisor, *attempt.workers)
        if is_alive(process)
    ]


def foreign_seconds(run: RunDir, record: RunRecord) -> float:
    """For how many seconds more a process of the last attempt may live on another host; 0 if none.

    Its pids cannot be looked at from here. After the last heartbeat the supervisor may live
    unseen for the stale time, and its worker, orphaned, for the grace time after that.
    """
    if not record.attempts or run.exit.exists():
        return 0.0
    attempt = record.attempts[-1]
    if attempt.supervisor.host == socket.gethostname():
        return 0.0
    beat = run.read_heartbeat()
    last = max(attempt.started, beat.time if beat is not None else 0.0)
    return max(0.0, last + HEARTBEAT_STALE_SECONDS + ORPHAN_GRACE_SECONDS - time.time())


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
