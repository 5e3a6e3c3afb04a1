"""How a worker hears: a thread looks at the orders folder and at the supervisor's lock."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

from tunewright.engine.run import control
from tunewright.engine.run.lock import is_locked
from tunewright.engine.run.rundir import RunDir

POLL_SECONDS = 0.25
# Time to reach the next step boundary and write a checkpoint once the supervisor is gone.
ORPHAN_GRACE_SECONDS = 300.0

SUPERVISOR_GONE = "the supervisor is gone"


class FolderOrders:
    """Orders of one worker, read by the training loop at step or batch boundaries.

    `orphaned_for_too_long` is called when the supervisor has been gone for the grace time and
    the worker still has not left: a hung device must not keep an orphan on the machine.
    """

    def __init__(self, run: RunDir, orphaned_for_too_long: Callable[[], None]) -> None:
        self._run = run
        self._spool = control.Spool(run.orders)
        self._too_long = orphaned_for_too_long
        self._stop: str | None = None
        self._paused = False
        self._checkpoints: deque[str] = deque()
        self._wake = threading.Event()
        self._gone_since: float | None = None
        self._thread = threading.Thread(target=self._watch, name="orders", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def request_stop(self, because: str) -> None:
        """Ask for a stop from inside the worker (a signal handler may call this)."""
        self._stop = self._stop or because
        self._wake.set()

    def stop_requested(self) -> str | None:
        return self._stop

    def take_checkpoint_request(self) -> str | None:
        return self._checkpoints.popleft() if self._checkpoints else None

    def wait_while_paused(self) -> None:
        while self._paused and self._stop is None:
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()

    def _watch(self) -> None:
        troubled = False
        while True:
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - a worker whose thread died hears nobody
                if not troubled:
                    troubled = True
                    with contextlib.suppress(OSError):
                        print(f"orders cannot be read for now: {error!r}", file=sys.stderr)
            else:
                troubled = False
            time.sleep(POLL_SECONDS)

    def _look(self) -> None:
        for command in self._spool.take():
            if isinstance(command, control.Command):
                self._obey(command)
        gone = self._gone_since
        if gone is None and not is_locked(self._run.lock):
            self._gone_since = time.monotonic()
            self.request_stop(SUPERVISOR_GONE)
        if gone is not None and time.monotonic() - gone > ORPHAN_GRACE_SECONDS:
            try:
                self._too_long()
            finally:
                os._exit(1)

    def _obey(self, command: control.Command) -> None:
        if command.verb == "stop":
            self.request_stop("asked to stop")
        elif command.verb == "checkpoint":
            self._checkpoints.append(command.id)
        elif command.verb in ("pause", "unpause"):
            self._paused = command.verb == "pause"
        self._wake.set()
