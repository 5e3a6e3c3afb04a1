"""A run is alive on its host while its supervisor holds an flock; a kill -9 frees it by itself."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


def take_lock(path: Path, patience: float = 0.0) -> int | None:
    """Hold the exclusive lock until this process ends; its file descriptor, or None if it is held.

    Waits up to `patience` seconds: readers hold the lock for an instant when they look.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(fd)
                return None
            time.sleep(0.02)
        else:
            return fd


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock now."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)
