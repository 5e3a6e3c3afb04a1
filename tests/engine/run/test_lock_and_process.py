"""Alive is what holds the lock; a pid alone proves nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from tunewright.engine.run.lock import is_locked, take_lock
from tunewright.engine.run.process import is_alive, mark

HOLD = """
import sys
from tunewright.engine.run.lock import take_lock
from pathlib import Path
assert take_lock(Path(sys.argv[1])) is not None
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert is_locked(path)
    assert take_lock(path) is None
    holder.kill()
    holder.wait()
    assert not is_locked(path)
    holder.stdout.close()


def test_a_process_is_known_by_its_start_not_by_its_pid() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark_of_child = mark(child.pid)
    assert is_alive(mark_of_child)
    other = msgspec.structs.replace(mark_of_child, start_time=mark_of_child.start_time - 1)
    assert is_alive(other) is False
    assert is_alive(msgspec.structs.replace(mark_of_child, boot_id="another boot")) is False
    assert is_alive(msgspec.structs.replace(mark_of_child, host="another-host")) is None
    child.kill()
    child.wait()
    assert is_alive(mark_of_child) is False
