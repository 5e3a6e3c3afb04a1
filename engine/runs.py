"""What is done with whole runs: compare two, delete one."""

from __future__ import annotations

import shutil
from typing import Any

import msgspec

from tunewright.engine.homes import index_home
from tunewright.engine.planner import recorded_by
from tunewright.engine.replay import (
    Comparison,
    Difference,
    compare_results,
    environment_of,
    expectation_of,
    plan_differences,
)
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.run.view import living_processes, view
from tunewright.engine.session import Expectation, load_session
from tunewright.hardware.errors import Problem


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
    """A `Problem` while anything of the run lives."""
    now = view(run)
    if now.alive or living_processes(now.record):
        raise Problem(
            f"{now.record.id} is {now.state}",
            why="a run that works cannot be deleted",
            cure=f"stop it first: tunewright stop {now.record.id}",
        )


def delete_run(run: RunDir) -> None:
    """Remove a run that has ended, with all its files, and its entry in the index."""
    check_deletable(run)
    id = run.read_record().id
    shutil.rmtree(run.path)
    (index_home() / id).unlink(missing_ok=True)
