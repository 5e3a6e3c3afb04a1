"""A worker hears whatever happens to its files, and an orphan never stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from live import until

from tunewright.engine.run import control, orders
from tunewright.engine.run.lock import take_lock
from tunewright.engine.run.orders import SUPERVISOR_GONE, FolderOrders
from tunewright.engine.run.rundir import RunDir


def test_a_stumbling_file_system_does_not_make_a_worker_deaf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDir(tmp_path)
    run.orders.mkdir()
    lock = take_lock(run.lock)
    assert lock is not None
    looks: list[int] = []

    def stumbling(path: Path) -> bool:
        looks.append(1)
        if len(looks) == 1:
            raise OSError(116, "Stale file handle")
        return True

    monkeypatch.setattr(orders, "is_locked", stumbling)
    heard = FolderOrders(run, lambda: None)
    heard.start()
    until(lambda: len(looks) > 2, "another look", 10.0)
    control.send(run.orders, "stop")
    assert until(heard.stop_requested, "the stop", 10.0) == "asked to stop"


ORPHAN = """
import sys, time
from pathlib import Path
from tunewright.engine.run import orders
from tunewright.engine.run.rundir import RunDir
orders.ORPHAN_GRACE_SECONDS = 0.0
def cannot():
    raise OSError(28, "No space left on device")
heard = orders.FolderOrders(RunDir(Path(sys.argv[1])), cannot)
heard.start()
time.sleep(60)
"""


def test_an_orphan_that_cannot_say_so_ends_all_the_same(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN, str(tmp_path)], timeout=30, check=False, capture_output=True
    )
    assert done.returncode == 1


def test_a_free_lock_is_a_supervisor_that_is_gone(tmp_path: Path) -> None:
    heard = FolderOrders(RunDir(tmp_path), lambda: None)
    heard.start()
    assert until(heard.stop_requested, "the end", 10.0) == SUPERVISOR_GONE
