"""The supervisor: holds the run's lock, starts the worker, takes commands, writes the records.

Never imports torch: it answers while CUDA hangs, and it survives the OOM killer's usual victim.
Started by `launch` in its own session as `python -m tunewright.engine.run.supervisor RUN_DIR JSON`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from tunewright.engine.files import write_atomic
from tunewright.engine.run import control, waiting
from tunewright.engine.run.events import HANDED_ON, Answered, EventWriter, Failed, State, Warned
from tunewright.engine.run.lock import take_lock
from tunewright.engine.run.process import boot_id, mark
from tunewright.engine.run.rundir import (
    Attempt,
    ExitRecord,
    Heartbeat,
    LaunchOptions,
    RunDir,
    write_exit,
    write_record,
)
from tunewright.engine.run.view import last_failure
from tunewright.engine.run.waiting import Wait
from tunewright.engine.session import load_session
from tunewright.hardware.errors import Exit

TICK_SECONDS = 0.2
HEARTBEAT_SECONDS = 5.0
# Between the order to stop and SIGTERM, and between SIGTERM and SIGKILL: a checkpoint of a large
# model takes minutes on a slow disk, and losing it costs more than waiting.
STOP_GRACE_SECONDS = 600.0
TERM_GRACE_SECONDS = 20.0


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `launch` tells the supervisor on its command line."""

    because: str
    options: LaunchOptions


class Supervisor:
    """One attempt of one run."""

    def __init__(self, run: RunDir, order: Order) -> None:
        self.run = run
        self.options = order.options
        self.record = run.read_record()
        self.number = len(self.record.attempts) + 1
        self.events = EventWriter(run.events / f"{self.number}-supervisor.jsonl")
        self.started = time.monotonic()
        self.stopping_since: float | None = None
        self.stop_reason = ""
        self.killed = False
        self.next_heartbeat = 0.0
        self.oom_kills = _cgroup_oom_kills()
        attempt = Attempt(
            number=self.number,
            started=time.time(),
            because=order.because,
            options=order.options,
            supervisor=mark(),
        )
        self.record = msgspec.structs.replace(
            self.record, attempts=(*self.record.attempts, attempt)
        )

    def work(self) -> int:
        """Run the attempt to its end; the exit code that exit.json records."""
        # Orders and an exit record of an earlier attempt say nothing about this one.
        control.take(self.run.orders)
        self.run.exit.unlink(missing_ok=True)
        write_record(self.run, self.record)
        self._beat()
        self._say("starting")
        if not self._wait_for_device():
            return self._finish(Exit.STOPPED)
        worker = self._start_worker()
        self._say("running")
        code: int | None = None
        while code is None:
            self._tick(worker)
            try:
                code = worker.wait(TICK_SECONDS)
            except subprocess.TimeoutExpired:
                code = None
        # What the worker may have left behind in its group must not train on.
        _signal_group(worker.pid, signal.SIGKILL)
        return self._finish(code)

    def request_stop(self, because: str) -> None:
        """Have the worker write a checkpoint and leave; the first reason is kept."""
        if self.stopping_since is None:
            self.stopping_since = time.monotonic()
            self.stop_reason = because
            control.send(self.run.orders, "stop")
            self._say("stopping", because)

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
                    self._say("starting", reason)
                    told = reason
                asked = time.monotonic()
                while time.monotonic() - asked < waiting.SECONDS and self.stopping_since is None:
                    self._tick(None)
                    time.sleep(TICK_SECONDS)
        finally:
            wait.close()
        return self.stopping_since is None and not self.killed

    def _start_worker(self) -> subprocess.Popen[bytes]:
        python = self.options.python or sys.executable
        worker = subprocess.Popen(
            [python, "-m", "tunewright.engine.run.worker", str(self.run.path)],
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
        with contextlib.suppress(ProcessLookupError):
            attempt = msgspec.structs.replace(self.record.attempts[-1], workers=(mark(worker.pid),))
            self.record = msgspec.structs.replace(
                self.record, attempts=(*self.record.attempts[:-1], attempt)
            )
            write_record(self.run, self.record)
        return worker

    def _tick(self, worker: subprocess.Popen[bytes] | None) -> None:
        now = time.monotonic()
        if now >= self.next_heartbeat:
            self._beat()
        timeout = self.options.timeout_seconds
        if timeout is not None and now - self.started > timeout:
            self.request_stop(f"the time limit of {timeout:g} s was reached")
        for command in control.take(self.run.control):
            if isinstance(command, control.Command):
                self._obey(command, worker)
            else:
                name, reason = command
                self.events.write(
                    Warned(
                        what=f"control/{name}.json is no command",
                        why=reason,
                        cure="use tunewright stop",
                    )
                )
        if self.stopping_since is not None and worker is not None:
            waited = now - self.stopping_since
            if waited > STOP_GRACE_SECONDS + TERM_GRACE_SECONDS:
                _signal_group(worker.pid, signal.SIGKILL)
            elif waited > STOP_GRACE_SECONDS:
                _signal_group(worker.pid, signal.SIGTERM)

    def _obey(self, command: control.Command, worker: subprocess.Popen[bytes] | None) -> None:
        answer = HANDED_ON
        if command.verb == "stop":
            self.request_stop("asked to stop" + (f" by {command.by}" if command.by else ""))
            answer = "stopping after a checkpoint"
        elif command.verb == "kill":
            self.killed = True
            self.stop_reason = "asked to be killed" + (f" by {command.by}" if command.by else "")
            if worker is not None:
                _signal_group(worker.pid, signal.SIGKILL)
            answer = "killed"
        else:
            control.send(self.run.orders, command.verb, command.by)
            if command.verb in ("pause", "unpause"):
                self._say("paused" if command.verb == "pause" else "running")
        self.events.write(Answered(id=command.id, command=command.verb, answer=answer))

    def _finish(self, code: int) -> int:
        record = self._exit_record(code)
        if record.state == "failed":
            self.events.write(
                Failed(what=record.what, why=record.why, cure=record.cure, exit=record.exit)
            )
        write_exit(self.run, record)
        self._say("stopped" if record.state == "crashed" else record.state, record.what)
        self.events.close()
        return record.exit

    def _exit_record(self, code: int) -> ExitRecord:
        if code == Exit.DONE:
            return self._exit("done", Exit.DONE, "all stages are done")
        resume = f"go on from the last checkpoint: tunewright resume {self.record.id}"
        if code == Exit.STOPPED or self.killed:
            why = self.stop_reason or "the worker was told to end"
            return self._exit("stopped", Exit.STOPPED, "stopped", why, resume)
        if code < 0:
            why = _killed_because(-code, _cgroup_oom_kills() - self.oom_kills)
            what = f"the worker was killed by {signal.Signals(-code).name}"
            return self._exit("failed", Exit.FAILED, what, why, resume)
        said = last_failure(self.run, self.number)
        if said is None:
            what = f"the worker ended with code {code} and said nothing"
            why = "it died before it could write its reason; engine.log may hold it"
            return self._exit("failed", Exit.FAILED, what, why, resume)
        return self._exit("failed", Exit(said.exit), said.what, said.why, said.cure)

    def _exit(self, state: str, exit: Exit, what: str, why: str = "", cure: str = "") -> ExitRecord:
        return msgspec.convert(
            {
                "state": state,
                "exit": int(exit),
                "attempt": self.number,
                "time": time.time(),
                "what": what,
                "why": why,
                "cure": cure,
            },
            ExitRecord,
        )

    def _say(self, state: str, because: str = "") -> None:
        self.events.write(
            msgspec.convert({"kind": "state", "state": state, "because": because}, State)
        )

    def _beat(self) -> None:
        self.next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
        beat = Heartbeat(socket.gethostname(), boot_id(), time.time())
        write_atomic(self.run.heartbeat, msgspec.json.encode(beat))


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _cgroup_oom_kills() -> int:
    """How often the kernel's OOM killer struck in this control group (cgroup v2); 0 if unknown."""
    try:
        group = Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2]
        events = Path(f"/sys/fs/cgroup{group}/memory.events").read_text().split()
        return int(events[events.index("oom_kill") + 1])
    except (OSError, ValueError, IndexError):
        return 0


def _killed_because(number: int, oom_kills: int) -> str:
    if number != signal.SIGKILL:
        return "a crash inside native code; engine.log may hold its last words"
    if oom_kills > 0:
        return "the kernel's OOM killer ended it: the machine ran out of memory"
    return (
        "something sent SIGKILL: a person, a batch system, or the OOM killer of an outer group "
        "(dmesg tells)"
    )


def main(run_dir: str, order_json: str) -> int:
    run = RunDir(Path(run_dir))
    if take_lock(run.lock, patience=3.0) is None:
        print(f"{run.path} is in use by another supervisor", file=sys.stderr)
        return Exit.BAD_INPUT
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    supervisor = Supervisor(run, msgspec.json.decode(order_json, type=Order))
    signal.signal(
        signal.SIGTERM, lambda *_: supervisor.request_stop("the supervisor was told to end")
    )
    return supervisor.work()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
