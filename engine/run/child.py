"""The worker as its supervisor has it: a process group, started, signalled and waited for."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path


class Child:
    """One started worker. OSError when it cannot be started."""

    def __init__(self, words: list[str]) -> None:
        self._oom_kills = _cgroup_oom_kills()
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, process_group=0)
        self.pid = self._process.pid

    def wait(self, seconds: float) -> int | None:
        """The exit code, negative for a signal; None while it still lives after `seconds`."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def tell(self, number: signal.Signals) -> None:
        """Signal the worker itself and none of its children."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def signal_group(self, number: signal.Signals) -> None:
        """Signal all that is left of the group, the worker's children too."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def end(self) -> None:
        """Kill the whole group and reap the worker."""
        self.signal_group(signal.SIGKILL)
        self._process.wait()

    def oom_kills(self) -> int:
        """How often the kernel's OOM killer struck in this control group since the start."""
        return _cgroup_oom_kills() - self._oom_kills


def _cgroup_oom_kills() -> int:
    """The counter of cgroup v2; 0 if unknown."""
    try:
        group = Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2]
        events = Path(f"/sys/fs/cgroup{group}/memory.events").read_text().split()
        return int(events[events.index("oom_kill") + 1])
    except (OSError, ValueError, IndexError):
        return 0
