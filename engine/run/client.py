"""What a client does to a run that is not its own process: list all, ask one for something."""

from __future__ import annotations

from typing import NamedTuple

from tunewright.engine.run import control
from tunewright.engine.run.rundir import RunDir, indexed_runs, spoken
from tunewright.engine.run.view import RunView, view
from tunewright.hardware.errors import Exit, Problem


class ListedRun(NamedTuple):
    """One run of the index. `view` is None when its directory is damaged; `damaged` says how."""

    id: str
    run: RunDir
    view: RunView | None
    damaged: Problem | None


def list_runs() -> list[ListedRun]:
    """Every run of the index, the oldest first; the damaged ones, whose age is unknown, last."""
    found = []
    for id, run in indexed_runs():
        try:
            found.append(ListedRun(id, run, view(run), None))
        except Problem as damage:
            # Deleted between the look at the index and the look at the run: gone is not damaged.
            if run.record.exists():
                found.append(ListedRun(id, run, None, damage))
    return sorted(found, key=lambda one: one.view.record.created if one.view else float("inf"))


def ask(run: RunDir, verb: control.Verb, by: str) -> str:
    """Send a command to a living run; its id, to find the answer by.

    A `Problem` when the run has ended, for the next attempt must not get what was meant for this
    one, or when the command cannot be written.
    """
    now = view(run)
    name = spoken(run, now.record.id)
    if not now.alive:
        raise Problem(
            f"{name} is not running",
            why=f"it is {now.state}",
            cure=f"see what it gave: tunewright report {name}"
            if now.state == "done"
            else f"go on with it: tunewright resume {name}",
        )
    try:
        return control.send(run.control, verb, by)
    except OSError as error:
        cure = f"look at the disk and the rights of {run.control}"
        if verb in ("stop", "kill") and now.record.attempts:
            # Of the supervisor: it has the worker write a checkpoint and leave.
            cure += f"; or on its host: kill {now.record.attempts[-1].supervisor.pid}"
        raise Problem(
            f"{name} cannot be asked to {verb}", why=str(error), cure=cure, exit=Exit.FAILED
        ) from error
