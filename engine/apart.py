"""Calls in a process of their own. A row of 50 MB holds up every thread of the process that decodes
it, a screen's too; another process holds up nobody, and can be ended in the middle."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from tunewright.hardware.errors import Exit, Problem

T = TypeVar("T")


def spawned(workers: int, initializer: Callable[[], None] | None = None) -> ProcessPoolExecutor:
    """Processes that are started afresh: a fork of one with threads (the screen's, the
    tokenizer's) may hang."""
    from multiprocessing import get_context, resource_tracker

    # The tracker inherits the error output, which under a full screen has no file of its own.
    with contextlib.redirect_stderr(sys.__stderr__ or sys.stderr):
        resource_tracker.ensure_running()
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=initializer)


class Left(Exception):
    """The call was not wanted any more."""


class Apart:
    """One process for one call after the other, started at the first one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._pid: int | None = None

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """What the function returns there. `Left` when `stop` was called meanwhile; a `Problem`
        when the process was ended by somebody else. Arguments and result are pickled."""
        with self._lock:
            pool = self._pool
            if pool is None:
                pool = self._pool = spawned(1)
                self._pid = pool.submit(os.getpid).result()
        try:
            future = pool.submit(function, *arguments)
        except RuntimeError as error:
            # It was stopped in between.
            raise Left from error
        try:
            return future.result()
        except (BrokenProcessPool, CancelledError) as error:
            if pool is not self._pool:
                raise Left from error
            self.stop()
            raise Problem(
                "the process that read the data was ended",
                why="by a person, or by the kernel, which does so when memory runs out (dmesg)",
                cure="free memory, or give fewer or shorter rows",
                exit=Exit.FAILED,
            ) from error

    def stop(self) -> None:
        """End the process, whatever it does; the next call starts another."""
        with self._lock:
            pool, self._pool = self._pool, None
            if pool is not None and self._pid is not None:
                with contextlib.suppress(OSError):
                    os.kill(self._pid, signal.SIGKILL)
                pool.shutdown(wait=False, cancel_futures=True)
