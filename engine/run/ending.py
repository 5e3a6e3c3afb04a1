"""How an attempt ended, from what its supervisor knows: pure, so that every ending is testable."""

from __future__ import annotations

import signal
from typing import Literal

import msgspec

from tunewright.engine.run.events import Failed
from tunewright.engine.run.explain import FULL_BYTES
from tunewright.engine.run.rundir import ExitRecord
from tunewright.engine.text import size
from tunewright.hardware.errors import Exit

# Signals that a process brings upon itself, by a fault in native code.
_FAULTS = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


class WorkerEnd(msgspec.Struct, frozen=True):
    """What is known when the worker is gone.

    `code` is its exit code, negative for a signal; `said` its own last failure; `stop_reason` why
    it was asked to leave ("" if it was not); `killed`: a client asked for its death;
    `waited_seconds`: the supervisor killed it after so long, None if it did not; `oom_kills` of
    the kernel while it lived; `free_bytes` where the run is kept, None if unknown.
    """

    code: int
    said: Failed | None = None
    stop_reason: str = ""
    killed: bool = False
    waited_seconds: float | None = None
    oom_kills: int = 0
    free_bytes: int | None = None


def ending(end: WorkerEnd, attempt: int, resume: str, now: float) -> ExitRecord:
    """The exit record of `attempt`; `resume` is the command that goes on, `now` in Unix seconds."""
    go_on = f"go on from the last checkpoint: {resume}"

    def record(
        state: Literal["done", "failed", "stopped"], exit: int, what: str, why: str, cure: str
    ) -> ExitRecord:
        return ExitRecord(state, int(exit), attempt, now, what, why, cure)

    if end.code == Exit.DONE:
        return record("done", Exit.DONE, "all stages are done", "", "")
    # Told to end before it could listen: it dies of the signal, and had nothing to save yet.
    obeyed = end.code == -signal.SIGTERM and end.stop_reason and end.waited_seconds is None
    if end.code == Exit.STOPPED or end.killed or obeyed:
        why = end.stop_reason or "the worker was told to end"
        return record("stopped", Exit.STOPPED, "stopped", why, go_on)
    if end.code < 0:
        what = f"the worker was killed by {_name(-end.code)}"
        return record("failed", Exit.FAILED, what, _killed_because(end), go_on)
    if end.said is not None:
        return record("failed", end.said.exit, end.said.what, end.said.why, end.said.cure)
    if end.free_bytes is not None and end.free_bytes < FULL_BYTES:
        why = (
            f"the worker ended with code {end.code} and could not write its reason; "
            f"{size(end.free_bytes)} are free where the run is kept"
        )
        return record("failed", Exit.FAILED, "the disk is full", why, f"make room, then: {resume}")
    what = f"the worker ended with code {end.code} and said nothing"
    why = "it died before it could write its reason; engine.log may hold it"
    return record("failed", Exit.FAILED, what, why, go_on)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _killed_because(end: WorkerEnd) -> str:
    number = -end.code
    if end.waited_seconds is not None:
        return (
            "the supervisor sent it: the worker had not left "
            f"{end.waited_seconds:.0f} s after it was asked to stop"
        )
    if number in _FAULTS:
        return "a crash inside native code; engine.log may hold its last words"
    if number != signal.SIGKILL:
        return "a person, a batch system or another program sent it"
    if end.oom_kills > 0:
        return "the kernel's OOM killer ended it: the machine ran out of memory"
    return (
        "something sent SIGKILL: a person, a batch system, or the OOM killer of an outer group "
        "(dmesg tells)"
    )
