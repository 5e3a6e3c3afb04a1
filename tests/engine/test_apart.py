"""A process of its own answers, fails as told, and goes when it is not wanted any more."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.context import SpawnContext
from pathlib import Path

import psutil
import pytest

import tunewright.engine.apart as apart_module
from tunewright.engine.apart import Apart, Left
from tunewright.hardware.errors import Exit, Problem


def refuse(what: str) -> None:
    raise Problem(what, why="so", cure="else", exit=Exit.FAILED)


def test_calls_are_made_elsewhere_and_problems_come_back_whole() -> None:
    apart = Apart()
    try:
        pid = apart.call(os.getpid)
        assert pid != os.getpid()
        assert apart.call(os.getpid) == pid
        with pytest.raises(Problem) as caught:
            apart.call(refuse, "no")
        told = caught.value
        assert (told.what, told.why, told.cure, told.exit) == ("no", "so", "else", Exit.FAILED)
    finally:
        apart.stop()


def busy(mark: Path) -> None:
    mark.touch()
    time.sleep(600)


def under_way(apart: Apart, mark: Path) -> tuple[threading.Thread, list[BaseException]]:
    """A call that takes for ever, begun in a thread, and how it ends."""
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            apart.call(busy, mark)
        except (Left, Problem) as error:
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    until(mark.exists)
    return thread, ended


def until(met: Callable[[], bool]) -> None:
    for _ in range(3000):
        if met():
            return
        time.sleep(0.02)
    raise AssertionError("waited for a minute")


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_stop_ends_the_call_under_way_and_the_next_one_starts_anew(tmp_path: Path) -> None:
    apart = Apart()
    pid = apart.call(os.getpid)
    thread, ended = under_way(apart, tmp_path / "busy")
    apart.stop()
    thread.join(60)
    assert [type(error) for error in ended] == [Left]
    try:
        assert apart.call(os.getpid) != pid
    finally:
        apart.stop()


def test_a_process_that_was_killed_is_told() -> None:
    apart = Apart()
    try:
        for _ in range(2):
            with pytest.raises(Problem, match="was ended"):
                apart.call(os._exit, 9)
        # What a function raises is its own, whatever it is.
        with pytest.raises(EOFError):
            apart.call(end_of_file)
    finally:
        apart.stop()


def end_of_file() -> None:
    raise EOFError


def test_one_that_was_killed_with_nothing_to_do_is_replaced() -> None:
    apart = Apart()
    try:
        for _ in range(3):
            pid = apart.call(os.getpid)
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: gone(pid))  # type: ignore[misc]
            assert apart.call(os.getpid) != pid
    finally:
        apart.stop()


def test_one_that_cannot_start_is_told_and_a_stop_waits_for_no_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apart = Apart()
    # A process that ends as it begins: by the kernel, or as its program has gone.
    monkeypatch.setattr("multiprocessing.spawn._python_exe", b"/bin/false")
    with pytest.raises(Problem, match="was ended"):
        apart.call(os.getpid)
    starting, going_on = threading.Event(), threading.Event()
    inner = apart_module._context

    def slow() -> SpawnContext:
        starting.set()
        assert going_on.wait(60)
        return inner()

    monkeypatch.setattr(apart_module, "_context", slow)
    ended: list[BaseException] = []

    def call() -> None:
        try:
            apart.call(os.getpid)
        except Left as left:
            ended.append(left)

    thread = threading.Thread(target=call)
    thread.start()
    assert starting.wait(60)
    # Would never come back, were the start waited for.
    apart.stop()
    going_on.set()
    thread.join(60)
    assert len(ended) == 1


_PARENT = """
import os, sys, threading, time
sys.path.insert(0, {tests!r})
from multiprocessing import resource_tracker
from pathlib import Path
from test_apart import busy
from tunewright.engine.apart import Apart, spawned

if __name__ == "__main__":
    idle, working = Apart(), Apart()
    pids = [idle.call(os.getpid), working.call(os.getpid)]
    threading.Thread(target=working.call, args=(busy, Path({mark!r})), daemon=True).start()
    pool = spawned(1)
    pids.append(pool.submit(os.getpid).result())
    while not Path({mark!r}).exists():
        time.sleep(0.02)
    print(*pids, resource_tracker._resource_tracker._pid, flush=True)
    time.sleep(600)
"""


def test_nobody_is_left_behind_when_the_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    told = {"tests": str(Path(__file__).parent), "mark": str(tmp_path / "busy")}
    script.write_text(_PARENT.format(**told))
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    try:
        assert len(pids) == 4
        assert not any(map(gone, pids))
        parent.kill()
        parent.wait()
        until(lambda: all(map(gone, pids)))
    finally:
        parent.kill()
        parent.stdout.close()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_program_ends_though_its_process_apart_was_not_stopped(tmp_path: Path) -> None:
    script = tmp_path / "ends.py"
    script.write_text(
        "import os\nfrom tunewright.engine.apart import Apart\n"
        'if __name__ == "__main__":\n    print(Apart().call(os.getpid))\n'
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stderr == ""
    until(lambda: gone(int(done.stdout)))
