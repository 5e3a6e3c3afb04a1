"""Rank 0's hold on the other ranks: starting them, noticing a death, leaving none behind.

The worker is rank 0, and the others are its children in its process group: the supervisor, which
ends that group, needs to know of no more than one process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.run.events import Failed, Note
from tunewright.engine.run.job import Job, Stopped
from tunewright.engine.run.rundir import RunDir, spoken
from tunewright.engine.train import together
from tunewright.engine.train.together import Together
from tunewright.hardware.errors import Exit, Problem

_LOOK_SECONDS = 0.2
# For a rank that lost another to be told so by its own call; one on a GPU may never return. It may
# also be writing a checkpoint, which is then worth waiting for.
_NOTICE_SECONDS = 30.0
# Between an error of rank 0 and the end of the rank that may have caused it.
_CAUSE_SECONDS = 5.0
_LEAVE_SECONDS = 30.0


class Seat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rank is told on its command line. `resumed` is the checkpoint that all go on from;
    `port` is of the store; `said` the descriptor for its last words; `parent` the pid of rank 0."""

    rank: int
    count: int
    port: int
    said: int
    parent: int
    run_dir: str
    model_dir: str
    attempt: int
    device: str
    resumed: str | None


@contextlib.contextmanager
def ranks_of(job: Job, count: int, resumed: Path | None) -> Iterator[Together | None]:
    """The group of `count` processes, with this one as rank 0; None for one that trains alone.

    A `Problem` when a rank does not come, when one has ended, or failed with a reason of its own.
    """
    if count < 2:
        yield None
        return
    store, port = together.open_store(count)
    ranks = _Ranks(job, count, port, resumed)
    group = None
    try:
        ranks.expect(store)
        group = Together(0, count, port, store, job.device)
        pids = ", ".join(str(child.pid) for child in ranks.children)
        job.emit(
            Note(
                text=f"{count} processes train together, ranks 1 to {count - 1} as pid {pids}; a "
                "loss is that of a whole step, the mean over the tokens of all ranks, and tokens "
                "are of all; memory is rank 0's"
            )
        )
        yield group
    except Stopped:
        raise
    except Exception as error:
        ended = ranks.ended(_CAUSE_SECONDS)
        if ended is None:
            raise
        raise ended from error
    else:
        ranks.let_go()
    finally:
        ranks.end()
        if group is not None:
            group.forget()


class _Ranks:
    def __init__(self, job: Job, count: int, port: int, resumed: Path | None) -> None:
        self._job, self._count = job, count
        self.children: list[subprocess.Popen[bytes]] = []
        self._said: list[int] = []
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._found: Problem | None = None
        try:
            for rank in range(1, count):
                self._start(rank, port, resumed)
        except OSError as error:
            self.end()
            raise Problem(
                f"rank {rank} cannot be started with {sys.executable}",
                why=str(error),
                cure="free memory or processes, or train on fewer devices",
                exit=Exit.FAILED,
            ) from error
        threading.Thread(target=self._watch, name="ranks", daemon=True).start()

    def _start(self, rank: int, port: int, resumed: Path | None) -> None:
        job = self._job
        hear, say = os.pipe()
        self._said.append(hear)
        try:
            seat = Seat(
                rank=rank,
                count=self._count,
                port=port,
                said=say,
                parent=os.getpid(),
                run_dir=str(job.run_dir),
                model_dir=str(job.model_dir),
                attempt=job.attempt,
                device=job.device,
                resumed=None if resumed is None else str(resumed),
            )
            words = [
                sys.executable,
                "-m",
                "tunewright.engine.train.rank",
                msgspec.json.encode(seat).decode(),
            ]
            self.children.append(
                subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, pass_fds=(say,), env=self._environment()
                )
            )
        finally:
            os.close(say)

    def _environment(self) -> dict[str, str]:
        import torch

        threads = str(max(1, torch.get_num_threads() // self._count))
        return {"OMP_NUM_THREADS": threads} | os.environ

    def expect(self, store: Any) -> None:
        """Wait until every rank has said that it is here."""
        deadline = time.monotonic() + together.START_SECONDS
        missing = list(range(1, self._count))
        while missing := [rank for rank in missing if not store.check([arrival(rank)])]:
            if (ended := self.ended()) is not None:
                raise ended
            if (because := self._job.orders.stop_requested()) is not None:
                raise Stopped(because)
            if time.monotonic() > deadline:
                names = ", ".join(map(str, missing))
                raise Problem(
                    f"rank {names} did not come within {together.START_SECONDS:g} s",
                    why="it was started and has neither ended nor reached the others",
                    cure=f"see engine.log; then: {self._resume()}",
                    exit=Exit.FAILED,
                )
            time.sleep(_LOOK_SECONDS)

    def ended(self, patience: float = 0.0) -> Problem | None:
        """What ended the first rank that has ended badly; waits so many seconds for one."""
        deadline = time.monotonic() + patience
        while True:
            # Two threads ask, and last words are heard once.
            with self._lock:
                for rank, child in enumerate(self.children, start=1):
                    if self._found is None and (code := child.poll()):
                        self._found = self._told(rank, code)
                if self._found is not None:
                    return self._found
            if time.monotonic() >= deadline:
                return None
            time.sleep(_LOOK_SECONDS)

    def _told(self, rank: int, code: int) -> Problem:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            os.set_blocking(self._said[rank - 1], False)
            failed = msgspec.json.decode(os.read(self._said[rank - 1], 1 << 16), type=Failed)
            return Problem(
                f"rank {rank}: {failed.what}", why=failed.why, cure=failed.cure, exit=Exit.FAILED
            )
        why = "engine.log may hold its last words"
        if code == -signal.SIGKILL:
            why = "a person, a batch system or the kernel's OOM killer sent it (dmesg tells)"
        how = f"signal {-code} ({_name(-code)})" if code < 0 else f"exit code {code}"
        return Problem(
            f"rank {rank} died: {how}",
            why=f"{why}; the other ranks cannot go on without it",
            cure=f"go on from the last checkpoint: {self._resume()}",
            exit=Exit.FAILED,
        )

    def _resume(self) -> str:
        run = RunDir(self._job.run_dir)
        return f"tunewright resume {spoken(run, run.read_record().id)}"

    def _watch(self) -> None:
        """End this process when a rank has died and the call that waits for it does not return."""
        while not self._over.wait(_LOOK_SECONDS):
            if (ended := self.ended()) is None:
                continue
            if not self._over.wait(_NOTICE_SECONDS):
                with contextlib.suppress(OSError):
                    self._job.emit(Failed(what=ended.what, why=ended.why, cure=ended.cure))
                self.end()
                os._exit(Exit.FAILED)
            return

    def let_go(self) -> None:
        """Wait for the ranks that have left the group to be gone."""
        self._over.set()
        deadline = time.monotonic() + _LEAVE_SECONDS
        for child in self.children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))

    def end(self) -> None:
        """Kill what is left of them."""
        self._over.set()
        for child in self.children:
            child.kill()
            child.wait()
        while self._said:
            os.close(self._said.pop())


def arrival(rank: int) -> str:
    """The key under which a rank says in the store that it is here."""
    return f"rank-{rank}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
