"""What is done with whole runs: compare two, delete one."""

from __future__ import annotations

import shlex
import shutil
from typing import Any

import msgspec

from tunewright.engine.planner import recorded_by
from tunewright.engine.replay import (
    Comparison,
    Difference,
    compare_results,
    environment_of,
    expectation_of,
    plan_differences,
)
from tunewright.engine.run.rundir import RunDir, index_entry, spoken
from tunewright.engine.run.view import foreign_seconds, living_processes, view
from tunewright.engine.session import Expectation, load_session
from tunewright.engine.text import duration
from tunewright.hardware.errors import Exit, Problem


class ComparedRuns(msgspec.Struct, frozen=True):
    """Two runs side by side: what was planned otherwise, and what they gave."""

    plan_differences: tuple[Difference, ...]
    comparison: Comparison
    first: Expectation
    second: Expectation

    def figures(self) -> list[tuple[str, Any, Any]]:
        """(name, of the first, of the second) for the last loss and every figure of a stage."""
        found: list[tuple[str, Any, Any]] = [
            ("steps", len(self.first.steps), len(self.second.steps)),
            ("last loss", _last(self.first), _last(self.second)),
        ]
        a, b = (
            {f"{stage} {name}": value for stage, of in one.figures.items()
             for name, value in of.items()}
            for one in (self.first, self.second)
        )  # fmt: skip
        return found + [(name, a.get(name), b.get(name)) for name in dict.fromkeys((*a, *b))]


def _last(gave: Expectation) -> float | None:
    return gave.losses[-1] if gave.losses else None


def compare_runs(first: RunDir, second: RunDir) -> ComparedRuns:
    """Hold the plan and the results of `second` against those of `first`."""
    a, b = load_session(first.session), load_session(second.session)
    assert a.plan is not None
    assert b.plan is not None
    recorded = recorded_by(first, a).recorded
    assert recorded is not None
    assert recorded.expect is not None
    gave = expectation_of(second)
    return ComparedRuns(
        plan_differences=tuple(plan_differences(a.plan, b.plan)),
        comparison=compare_results(recorded, gave, environment_of(second) or recorded.environment),
        first=recorded.expect,
        second=gave,
    )


def check_deletable(run: RunDir) -> None:
    """A `Problem` while anything of the run lives, or may live where it cannot be seen."""
    now = view(run)
    name = spoken(run, now.record.id)
    if now.alive or living_processes(now.record):
        raise Problem(
            f"{name} is {now.state}",
            why="a run that works cannot be deleted",
            cure=f"stop it first: tunewright stop {name}",
        )
    if seconds := foreign_seconds(run, now.record):
        raise Problem(
            f"{name} may still work on {now.record.attempts[-1].supervisor.host}",
            why=f"its supervisor there has gone silent; a worker may have {duration(seconds)} left",
            cure=f"sleep {seconds:.0f}; tunewright runs delete {name}",
        )
    if run.path.is_symlink():
        link, real = shlex.quote(str(run.path)), shlex.quote(str(run.path.resolve()))
        raise Problem(
            f"{run.path} is a link",
            why=f"the run lies in {real}, and other links may lead there",
            cure=f"tunewright runs delete {real}; rm {link}",
        )


def delete_run(run: RunDir) -> None:
    """Remove a run that has ended, with all its files, and its entry in the index.

    A `Problem` when something of it cannot be removed; the entry then stays.
    """
    check_deletable(run)
    entry = index_entry(run, run.read_record().id)
    try:
        shutil.rmtree(run.path)
    except OSError as error:
        raise Problem(
            f"{run.path} is not wholly deleted",
            why=str(error),
            cure=f"look at the rights there, then: rm -r {shlex.quote(str(run.path))}",
            exit=Exit.FAILED,
        ) from error
    if entry is not None:
        entry.unlink(missing_ok=True)
