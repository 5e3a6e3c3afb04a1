"""Calls in a process of their own. A row of 50 MB holds up every thread of the process that decodes
it, a screen's too; another process holds up nobody, and can be ended in the middle."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from tunewright.hardware.errors import Exit, Problem

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext

T = TypeVar("T")


def spawned(workers: int, initializer: Callable[[], None] | None = None) -> ProcessPoolExecutor:
    """Processes that are started afresh: a fork of one with threads (the screen's, the
    tokenizer's) may hang. They end when this one does, whatever ended it."""
    return ProcessPoolExecutor(
        workers, mp_context=_context(), initializer=_begin, initargs=(initializer,)
    )


def _context() -> SpawnContext:
    from multiprocessing import get_context, resource_tracker

    # The tracker inherits the error output, which under a full screen has no file of its own.
    with contextlib.redirect_stderr(sys.__stderr__ or sys.stderr):
        resource_tracker.ensure_running()
    return get_context("spawn")


def _begin(initializer: Callable[[], None] | None) -> None:
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    if initializer is not None:
        initializer()


def _end_with_parent() -> None:
    """Wait for the end of the process that started this one. A worker of a pool holds both ends of
    its queue, and would wait for ever; PR_SET_PDEATHSIG speaks of the thread that started it,
    which goes long before."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class Left(Exception):
    """The call was not wanted any more."""


class _Gone(Exception):
    """The process is no more."""


class _Worker:
    """One process that answers what comes through a pipe."""

    def __init__(self) -> None:
        context = _context()
        self._ours, theirs = context.Pipe()
        # No daemon, as those may have no processes of their own, and checks of much data do.
        self._process = context.Process(target=_serve, args=(theirs,))
        try:
            self._process.start()
        finally:
            theirs.close()
        # Before the hook of multiprocessing, which waits for processes that are no daemons.
        atexit.register(self.kill)

    def take(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Hand it a call; returns when that has begun. `_Gone` when it will never be."""
        with self._told():
            self._ours.send((function, arguments))
            self._ours.recv()

    def answer(self) -> Any:
        """What came of the call that it took."""
        with self._told():
            done, value = self._ours.recv()
        if done:
            return value
        raise value

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError) as error:
            raise _Gone from error
        except BaseException:
            # Left in the middle: what comes next would answer another call.
            self.kill()
            raise

    def kill(self) -> None:
        """End the process without waiting for that; what waits for its answer is told."""
        atexit.unregister(self.kill)
        with contextlib.suppress(OSError):
            self._process.kill()


def _serve(pipe: Connection) -> None:
    # Control-C is for the process that asks: it ends this one, or goes on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _begin(None)
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(None)
            pipe.send((True, function(*arguments)))
        except Exception as error:  # noqa: BLE001 -- it is raised again where it was asked
            pipe.send((False, error))


class Apart:
    """One process for one call after the other, started at the first one."""

    def __init__(self) -> None:
        # Who calls has the turn; the lock is never held over anything that takes time.
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._stops = 0

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """What the function returns there. `Left` when `stop` was called meanwhile; a `Problem`
        when the process was ended by somebody else: one that had nothing to do is replaced, and
        the call that ended one is not made again. Arguments and result are pickled."""
        stops = self._stops
        with self._turn:
            try:
                worker = self._ready(stops)
                try:
                    worker.take(function, arguments)
                except _Gone:
                    worker = self._ready(stops, worker)
                    worker.take(function, arguments)
                answer: T = worker.answer()
            except _Gone as gone:
                raise self._ended(stops) from gone
            return answer

    def _ready(self, stops: int, gone: _Worker | None = None) -> _Worker:
        """The process that there is, or another one."""
        with self._lock:
            if stops != self._stops:
                raise Left
            worker, self._worker = self._worker, None
        if worker is None or worker is gone:
            if worker is not None:
                worker.kill()
            try:
                worker = _Worker()
            except OSError as error:
                # No memory, or no more processes.
                raise _Gone from error
        with self._lock:
            if stops == self._stops:
                self._worker = worker
                return worker
        worker.kill()
        raise Left

    def _ended(self, stops: int) -> Left | Problem:
        with self._lock:
            if stops != self._stops:
                return Left()
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()
        return Problem(
            "the process that read the data was ended",
            why="by a person, or by the kernel, which does so when memory runs out (dmesg)",
            cure="free memory, or give fewer or shorter rows",
            exit=Exit.FAILED,
        )

    def stop(self) -> None:
        """End the process, whatever it does; the next call starts another. Waits for nothing."""
        with self._lock:
            self._stops += 1
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()
