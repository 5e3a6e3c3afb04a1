"""Naming a process so that a reused pid is never mistaken for it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec


class ProcessMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process by host, boot, pid and start time (clock ticks since boot on Linux)."""

    host: str
    boot_id: str | None
    pid: int
    start_time: float


def boot_id() -> str | None:
    """The kernel's id of this boot, or None where it has none (not Linux)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _start_time(pid: int) -> float | None:
    """When `pid` started, or None when there is no such process or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except ProcessLookupError:
        return None
    except OSError:
        return None if Path("/proc/self/stat").exists() else _start_time_elsewhere(pid)
    # The command name is in parentheses and may hold anything: fields count from the last ")".
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else float(fields[19])


def _start_time_elsewhere(pid: int) -> float | None:
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def mark(pid: int | None = None) -> ProcessMark:
    """The mark of `pid`, or of this process. ProcessLookupError when it is gone."""
    pid = os.getpid() if pid is None else pid
    started = _start_time(pid)
    if started is None:
        raise ProcessLookupError(pid)
    return ProcessMark(socket.gethostname(), boot_id(), pid, started)


def is_alive(process: ProcessMark) -> bool | None:
    """Whether that very process lives; None when it belongs to another host."""
    if process.host != socket.gethostname():
        return None
    if process.boot_id != boot_id():
        return False
    return _start_time(process.pid) == process.start_time
