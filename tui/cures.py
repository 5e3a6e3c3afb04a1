"""Cures as they are on the screens, where no command with its flags was typed."""

from __future__ import annotations

from tunewright.engine.devices.planned import PLAN_HERE
from tunewright.engine.run.create import FREE_SPACE, WRITABLE
from tunewright.hardware.errors import Problem

_INSTEAD = {
    PLAN_HERE: "plan on this one: 1 shows the machine, esc there comes back to it",
    WRITABLE: "set TUNEWRIGHT_HOME to a directory that you can write to, then open this again",
    FREE_SPACE: "free some space there, or set TUNEWRIGHT_HOME to a directory on another disk and "
    "open this again",
}


def on_screen(problem: Problem) -> Problem:
    """The problem with the keys that cure it, where its own cure is a flag of the command line."""
    cure = _INSTEAD.get(problem.cure)
    if cure is None:
        return problem
    return Problem(problem.what, why=problem.why, cure=cure, exit=problem.exit)
