"""The supervisor: holds the run's lock, starts the worker, takes commands, tells how it ended.

Never imports torch: it answers while CUDA hangs, and it survives the OOM killer's usual victim.
Started by `launch` in its own session as `python -m tunewright.engine.run.supervisor RUN_DIR JSON`.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
import traceback
from collections.abc import Callable, Container
from pathlib import Path
from types import FrameType

import msgspec

from tunewright.engine.run import control, waiting
from tunewright.engine.run.child import Child
from tunewright.engine.run.ending import WorkerEnd, ending
from tunewright.engine.run.events import HANDED_ON, Answered, Failed, Warned
from tunewright.engine.run.explain import disk_full, free_bytes
from tunewright.engine.run.lock import take_lock
from tunewright.engine.run.records import Records
from tunewright.engine.run.rundir import ExitRecord, LaunchOptions, RunDir, spoken
from tunewright.engine.run.view import last_failure
from tunewright.engine.run.waiting import Wait
from tunewright.engine.session import load_session
from tunewright.hardware.errors import Exit, Problem

TICK_SECONDS = 0.2
# Between the order to stop and SIGTERM, and between SIGTERM and SIGKILL: a checkpoint of a large
# model takes minutes on a slow disk, and losing it costs more than waiting.
STOP_GRACE_SECONDS = 600.0
TERM_GRACE_SECONDS = 20.0
# The exit code of a supervisor that found another one at work.
IN_USE = 98


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `launch` tells the supervisor on its command line."""

    because: str
    options: LaunchOptions


class Supervisor:
    """One attempt of one run.

    `left_over` names what lay in control/ before this attempt; `told_to_end` says whether a
    signal asked the supervisor itself to end. A `Problem` or OSError when the run cannot be read
    or written.
    """

    def __init__(
        self,
        run: RunDir,
        order: Order,
        left_over: Container[str] = (),
        told_to_end: Callable[[], bool] = lambda: False,
    ) -> None:
        self.run = run
        self.options = order.options
        self.records = Records(run, order.because, order.options)
        self.resume = f"tunewright resume {spoken(run, self.records.id)}"
        self.spool = control.Spool(run.control)
        self.left_over = left_over
        self.told_to_end = told_to_end
        self.started = time.monotonic()
        self.worker: Child | None = None
        self.stopping_since: float | None = None
        self.waited: float | None = None
        self.stop_reason = ""
        self.killed = False

    def work(self) -> int:
        """Run the attempt to its end; the exit code that exit.json records."""
        try:
            ended = self._attempt()
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker ends and it is told
            with contextlib.suppress(OSError):
                traceback.print_exc()
            ended = self._broken(error)
        if self.worker is not None:
            # What the worker may have left behind in its group must not train on.
            self.worker.end()
        self.records.end(ended)
        return ended.exit

    def _attempt(self) -> ExitRecord:
        # Orders of an earlier attempt say nothing about this one.
        control.Spool(self.run.orders).take()
        self.records.begin()
        if self.records.attempt > 1:
            self._turn_away()
        self.records.beat()
        self.records.say("starting")
        if not self._wait_for_device():
            end = WorkerEnd(Exit.STOPPED, stop_reason=self.stop_reason)
            return ending(end, self.records.attempt, self.resume, time.time())
        python = self.options.python or sys.executable
        try:
            worker = Child([python, "-m", "tunewright.engine.run.worker", str(self.run.path)])
        except OSError as error:
            return self._failed(f"the worker cannot be started with {python}", str(error))
        self.worker = worker
        self.records.worker(worker.pid)
        self.records.say("running")
        code: int | None = None
        while code is None:
            self._tick(worker)
            code = worker.wait(TICK_SECONDS)
        return self._ended(worker, code)

    def _wait_for_device(self) -> bool:
        """Hold the start back until the planned device is free, where the plan says so; False when
        the run was told to end meanwhile. Only a change of the reason is told."""
        wait = Wait.of(load_session(self.run.session))
        if wait is None:
            return True
        told = ""
        try:
            while (reason := wait.reason()) and self.stopping_since is None and not self.killed:
                if reason != told:
                    self.records.say("starting", reason)
                    told = reason
                asked = time.monotonic()
                while time.monotonic() - asked < waiting.SECONDS and self.stopping_since is None:
                    self._tick(None)
                    time.sleep(TICK_SECONDS)
        finally:
            wait.close()
        return self.stopping_since is None and not self.killed

    def _turn_away(self) -> None:
        """Answer what was sent to an attempt that had ended: it must not stop this one."""
        for command in self.spool.take(self.left_over):
            if isinstance(command, control.Command):
                answer = "not done: the attempt it was meant for had ended"
                self.records.tell(Answered(id=command.id, command=command.verb, answer=answer))

    def _tick(self, worker: Child | None) -> None:
        self.records.beat()
        now = time.monotonic()
        timeout = self.options.timeout_seconds
        if self.told_to_end():
            self._request_stop("the supervisor was told to end", worker)
        if timeout is not None and now - self.started > timeout:
            self._request_stop(f"the time limit of {timeout:g} s was reached", worker)
        for command in self.spool.take():
            if isinstance(command, control.Command):
                self._obey(command, worker)
            else:
                what = f"control/{command.name}.json is no command"
                self.records.tell(Warned(what=what, why=command.why, cure="use tunewright stop"))
        if self.stopping_since is not None and worker is not None:
            waited = now - self.stopping_since
            if waited > STOP_GRACE_SECONDS + TERM_GRACE_SECONDS:
                self.waited = waited
                worker.signal_group(signal.SIGKILL)
            elif waited > STOP_GRACE_SECONDS:
                worker.signal_group(signal.SIGTERM)

    def _obey(self, command: control.Command, worker: Child | None) -> None:
        answer = HANDED_ON
        by = f" by {command.by}" if command.by else ""
        if command.verb == "stop":
            self._request_stop(f"asked to stop{by}", worker)
            answer = "stopping after a checkpoint"
        elif command.verb == "kill":
            self.killed = True
            self.stop_reason = f"asked to be killed{by}"
            if worker is not None:
                worker.signal_group(signal.SIGKILL)
            answer = "killed"
        else:
            try:
                control.send(self.run.orders, command.verb, command.by)
            except OSError as error:
                answer = f"not done: it cannot be passed to the worker: {error.strerror}"
            else:
                if command.verb in ("pause", "unpause"):
                    self.records.say("paused" if command.verb == "pause" else "running")
        self.records.tell(Answered(id=command.id, command=command.verb, answer=answer))

    def _request_stop(self, because: str, worker: Child | None) -> None:
        """Have the worker write a checkpoint and leave; the first reason is kept."""
        if self.stopping_since is not None:
            return
        self.stopping_since = time.monotonic()
        self.stop_reason = because
        try:
            control.send(self.run.orders, "stop")
        except OSError as error:
            # On a full disk an order cannot be written; a signal says the same.
            self.records.complain(error)
            if worker is not None:
                worker.tell(signal.SIGTERM)
        self.records.say("stopping", because)

    def _ended(self, worker: Child, code: int) -> ExitRecord:
        said = last_failure(self.run, self.records.attempt)
        end = WorkerEnd(
            code,
            said=said,
            stop_reason=self.stop_reason,
            killed=self.killed,
            waited_seconds=self.waited,
            oom_kills=worker.oom_kills(),
            free_bytes=free_bytes(self.run.path),
        )
        ended = ending(end, self.records.attempt, self.resume, time.time())
        # The worker's own words stand in its events already.
        if ended.state == "failed" and (said is None or said.what != ended.what):
            self.records.tell(
                Failed(what=ended.what, why=ended.why, cure=ended.cure, exit=ended.exit)
            )
        return ended

    def _broken(self, error: Exception) -> ExitRecord:
        if isinstance(error, Problem):
            return self._failed(error.what, error.why, error.cure)
        full = disk_full(error, self.run.path)
        if full is not None:
            return self._failed("the disk is full", full, f"make room, then: {self.resume}")
        why = f"{type(error).__name__}; the traceback is in engine.log"
        return self._failed(f"the supervisor failed: {error}", why)

    def _failed(self, what: str, why: str, cure: str | None = None) -> ExitRecord:
        """The record of a failure that the supervisor alone knows of, told as an event too."""
        cure = cure or f"go on from the last checkpoint: {self.resume}"
        self.records.tell(Failed(what=what, why=why, cure=cure))
        return ExitRecord("failed", Exit.FAILED, self.records.attempt, time.time(), what, why, cure)


def main(run_dir: str, order_json: str) -> int:
    run = RunDir(Path(run_dir))
    told_to_end: list[int] = []

    def told(number: int, _frame: FrameType | None) -> None:
        # Acted upon between two ticks: a handler may run in the middle of writing an event.
        told_to_end.append(number)

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What waits before the run is taken was not meant for this attempt.
    left_over = control.Spool(run.control).waiting()
    if take_lock(run.lock, patience=3.0) is None:
        print(f"{run.path} is in use by another supervisor", file=sys.stderr)
        return IN_USE
    try:
        order = msgspec.json.decode(order_json, type=Order)
        supervisor = Supervisor(run, order, left_over, lambda: bool(told_to_end))
    except Problem as problem:
        print(f"{problem.what}: {problem.why}", file=sys.stderr)
        return Exit.FAILED
    except OSError as error:
        print(f"the records of the run cannot be written: {error}", file=sys.stderr)
        return Exit.FAILED
    return supervisor.work()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
