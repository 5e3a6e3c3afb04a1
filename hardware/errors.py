"""What can go wrong, said so that a person can act: what, why, cure. Shared by all three rooms."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line; a stable contract."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    DOES_NOT_FIT = 3
    GATE_NOT_MET = 4
    REPLAY_DIFFERS = 5
    STOPPED = 75
    INTERRUPTED = 130


class Problem(Exception):
    """A failure with its reason and its cure; the only exception type that reaches a person.

    `what` happened, `why` it did, and `cure`: what to do, a command to copy where there is one.
    `exit` is the process exit code it leads to.
    """

    def __init__(self, what: str, *, why: str, cure: str, exit: Exit = Exit.BAD_INPUT) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.cure = cure
        self.exit = exit

    def __reduce__(self) -> tuple[object, ...]:
        """For a problem that another process had."""
        return _made, (self.what, self.why, self.cure, self.exit)

    def __str__(self) -> str:
        return f"{self.what}\n  why:  {self.why}\n  cure: {self.cure}"


def _made(what: str, why: str, cure: str, exit: Exit) -> Problem:
    return Problem(what, why=why, cure=cure, exit=exit)
