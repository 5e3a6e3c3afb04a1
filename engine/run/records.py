"""What a supervisor writes: events, heartbeat, run.json, exit.json; a full disk does not end it.

What cannot be written is tried again, or is lost and said to be: a run that trains is worth more
than the account of it.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time

import msgspec

from tunewright.engine.files import write_atomic
from tunewright.engine.run.events import Event, EventWriter, State, Warned
from tunewright.engine.run.process import boot_id, mark
from tunewright.engine.run.rollup import Rollups
from tunewright.engine.run.rundir import (
    Attempt,
    ExitRecord,
    Heartbeat,
    LaunchOptions,
    RunDir,
    write_exit,
    write_record,
)

HEARTBEAT_SECONDS = 5.0
# How long exit.json is tried: somebody may be making room.
EXIT_PATIENCE_SECONDS = 60.0
EXIT_RETRY_SECONDS = 0.5


class Records:
    """The records of one attempt, which it adds to those of the run. OSError where it cannot."""

    def __init__(self, run: RunDir, because: str, options: LaunchOptions) -> None:
        self._run = run
        record = run.read_record()
        attempt = Attempt(
            number=len(record.attempts) + 1,
            started=time.time(),
            because=because,
            options=options,
            supervisor=mark(),
        )
        self.attempt = attempt.number
        self._record = msgspec.structs.replace(record, attempts=(*record.attempts, attempt))
        self._events = EventWriter(run.events / f"{attempt.number}-supervisor.jsonl")
        self._next_heartbeat = 0.0
        self._rollups = Rollups(run.events)
        self._unsaved = False
        self._troubled = False

    @property
    def id(self) -> str:
        return self._record.id

    def begin(self) -> None:
        """Write the attempt into run.json; the exit record of an earlier one goes. OSError."""
        write_record(self._run, self._record)
        self._run.exit.unlink(missing_ok=True)

    def worker(self, pid: int) -> None:
        """Note the worker, so that none trains on unseen."""
        # One that has ended already needs no note.
        with contextlib.suppress(ProcessLookupError):
            attempt = msgspec.structs.replace(self._record.attempts[-1], workers=(mark(pid),))
            self._record = msgspec.structs.replace(
                self._record, attempts=(*self._record.attempts[:-1], attempt)
            )
            self._unsaved = True
            self._save()

    def tell(self, event: Event) -> None:
        try:
            self._events.write(event)
        except OSError as error:
            self.complain(error)

    def say(self, state: str, because: str = "") -> None:
        self.tell(msgspec.convert({"kind": "state", "state": state, "because": because}, State))

    def beat(self) -> None:
        """Show another host that the supervisor lives, when it is time to."""
        now = time.monotonic()
        if now < self._next_heartbeat:
            return
        self._next_heartbeat = now + HEARTBEAT_SECONDS
        beat = Heartbeat(socket.gethostname(), boot_id(), time.time())
        try:
            write_atomic(self._run.heartbeat, msgspec.json.encode(beat))
        except OSError as error:
            self.complain(error)
        else:
            self._troubled = False
        self._save()
        self._roll_up()

    def end(self, ended: ExitRecord) -> None:
        """Write exit.json, and try again while it cannot be written and there is patience."""
        deadline = time.monotonic() + EXIT_PATIENCE_SECONDS
        while True:
            try:
                write_exit(self._run, ended)
            except OSError as error:
                self.complain(error)
                # Its block on the disk is all that the record needs, and the run is over.
                with contextlib.suppress(OSError):
                    self._run.heartbeat.unlink(missing_ok=True)
                if time.monotonic() > deadline:
                    return
                time.sleep(EXIT_RETRY_SECONDS)
            else:
                self._save()
                self.say("stopped" if ended.state == "crashed" else ended.state, ended.what)
                self._events.close()
                return

    def _roll_up(self) -> None:
        try:
            self._rollups.keep_up()
        except OSError as error:
            self.complain(error)

    def complain(self, error: OSError) -> None:
        """Say that something could not be written; once, until writing works again."""
        if self._troubled:
            return
        self._troubled = True
        what = "the supervisor cannot write its records"
        with contextlib.suppress(OSError):
            print(f"{what}: {error}", file=sys.stderr)
        cure = f"make room on the disk of {self._run.path}"
        with contextlib.suppress(OSError):
            self._events.write(Warned(what=what, why=str(error), cure=cure))

    def _save(self) -> None:
        if self._unsaved:
            try:
                write_record(self._run, self._record)
            except OSError as error:
                self.complain(error)
            else:
                self._unsaved = False
