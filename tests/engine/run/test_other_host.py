"""From another host a run is known by its heartbeat, and nothing is resumed that may still live."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from fake_worker import make_run

from tunewright.engine.run.launch import resume
from tunewright.engine.run.orders import ORPHAN_GRACE_SECONDS
from tunewright.engine.run.process import ProcessMark
from tunewright.engine.run.rundir import (
    Attempt,
    ExitRecord,
    Heartbeat,
    LaunchOptions,
    RunDir,
    write_exit,
    write_record,
)
from tunewright.engine.run.view import HEARTBEAT_STALE_SECONDS, foreign_seconds, view
from tunewright.engine.runs import check_deletable
from tunewright.hardware.errors import Problem

pytestmark = pytest.mark.usefixtures("home")
SURE = HEARTBEAT_STALE_SECONDS + ORPHAN_GRACE_SECONDS


def foreign_run(path: Path, beat: float | None, started: float = 5000.0) -> RunDir:
    """A run whose supervisor on another host started and showed itself so many seconds ago."""
    run = make_run(path)
    there = ProcessMark("another-host", "a boot", 4242, 1.0)
    attempt = Attempt(1, time.time() - started, "launched", LaunchOptions(), there, (there,))
    write_record(run, msgspec.structs.replace(run.read_record(), attempts=(attempt,)))
    if beat is not None:
        show = Heartbeat("another-host", "a boot", time.time() - beat)
        run.heartbeat.write_bytes(msgspec.json.encode(show))
    return run


def test_a_fresh_heartbeat_is_a_living_run(tmp_path: Path) -> None:
    run = foreign_run(tmp_path / "run", 3.0)
    now = view(run)
    assert now.alive
    assert now.ended is None
    with pytest.raises(Problem, match="is starting"):
        resume(run)


def test_an_orphan_over_there_is_waited_for_before_a_resume(tmp_path: Path) -> None:
    run = foreign_run(tmp_path / "run", HEARTBEAT_STALE_SECONDS + 30)
    assert view(run).state == "crashed"
    left = foreign_seconds(run, run.read_record())
    assert left == pytest.approx(ORPHAN_GRACE_SECONDS - 30, abs=5)
    with pytest.raises(Problem, match="another-host") as refused:
        resume(run)
    assert refused.value.cure == f"sleep {left:.0f}; tunewright resume fake-1"
    with pytest.raises(Problem, match="may still work on another-host"):
        check_deletable(run)
    # One that never showed itself counts from its start.
    silent = foreign_run(tmp_path / "silent", None, started=10.0)
    assert foreign_seconds(silent, silent.read_record()) == pytest.approx(SURE - 10, abs=5)


def test_after_the_grace_or_a_recorded_end_nothing_is_waited_for(tmp_path: Path) -> None:
    gone = foreign_run(tmp_path / "gone", SURE + 1)
    assert foreign_seconds(gone, gone.read_record()) == 0
    check_deletable(gone)
    ended = foreign_run(tmp_path / "ended", 1.0)
    write_exit(ended, ExitRecord("stopped", 75, 1, time.time(), "stopped"))
    assert not view(ended).alive
    assert foreign_seconds(ended, ended.read_record()) == 0
