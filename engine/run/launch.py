"""Starting and resuming a run: the supervisor gets its own session and needs no terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from tunewright.engine.devices import refuse_invented
from tunewright.engine.homes import runs_home
from tunewright.engine.run.lock import is_locked
from tunewright.engine.run.rundir import (
    LaunchOptions,
    RunDir,
    RunRecord,
    create,
    new_run_id,
)
from tunewright.engine.run.supervisor import Order
from tunewright.engine.run.view import living_processes, view
from tunewright.engine.session import Session, encode_session, rebase
from tunewright.hardware.errors import Exit, Problem

START_PATIENCE_SECONDS = 20.0


def launch(
    session: Session, base: Path, options: LaunchOptions, run_dir: Path | None = None
) -> RunDir:
    """Make a run directory for a planned session and start its supervisor; return once it lives.

    `base` is the folder that the session's relative paths start from. A `Problem` for a session
    that was planned on an invented machine.
    """
    refuse_invented(session)
    run_id = new_run_id(session.inputs.name)
    path = (run_dir or runs_home() / run_id).absolute()
    record = RunRecord(id=run_id, name=session.inputs.name, created=time.time())
    run = create(path, encode_session(rebase(session, base, path)), record)
    _start(run, Order(because="launched", options=options), attempt=1)
    return run


def resume(run: RunDir, options: LaunchOptions | None = None) -> None:
    """Start the next attempt of a run that has ended, from its last good checkpoint.

    A `Problem` while anything of an earlier attempt lives, or when there is nothing left to do.
    """
    now = view(run)
    if now.alive:
        raise Problem(
            f"{now.record.id} is {now.state}",
            why="its supervisor holds the lock",
            cure=f"watch it: tunewright attach {now.record.id}",
        )
    living = living_processes(now.record)
    if living:
        raise Problem(
            f"{now.record.id} still has a process of an earlier attempt: {living}",
            why="its supervisor is gone and it is on its way out, writing a checkpoint",
            cure=f"wait a moment and try again, or end it: kill {' '.join(map(str, living))}",
        )
    if now.state == "done":
        raise Problem(
            f"{now.record.id} is done",
            why="all of its stages have finished",
            cure=f"see what it gave: tunewright report {now.record.id}",
            exit=Exit.BAD_INPUT,
        )
    if options is None:
        last = now.record.attempts[-1].options if now.record.attempts else LaunchOptions()
        # A time limit was for that attempt; the person who resumes wants the rest.
        options = msgspec.structs.replace(last, timeout_seconds=None)
    assert now.ended is not None
    because = f"resumed after: {now.ended.what}"
    _start(run, Order(because=because, options=options), attempt=len(now.record.attempts) + 1)


def _start(run: RunDir, order: Order, attempt: int) -> None:
    with open(run.log, "ab", opener=_private) as log:
        supervisor = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tunewright.engine.run.supervisor",
                str(run.path),
                msgspec.json.encode(order).decode(),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # A folder of the person's could hold an engine.py or a torch.py that would be imported.
            cwd="/",
            env=_environment(),
        )
    deadline = time.monotonic() + START_PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if (run.events / f"{attempt}-supervisor.jsonl").exists() and is_locked(run.lock):
            return
        if supervisor.poll() is not None:
            if run.read_exit() is not None:
                return
            break
        time.sleep(0.02)
    raise Problem(
        "the run did not start",
        why=_last_words(run.log) or "its supervisor said nothing",
        cure=f"see {run.log}",
        exit=Exit.FAILED,
    )


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    if "TUNEWRIGHT_HOME" in environment:
        home = Path(environment["TUNEWRIGHT_HOME"]).expanduser().absolute()
        environment["TUNEWRIGHT_HOME"] = str(home)
    # Models are resolved to local folders before launch: nothing in a run asks a hub.
    environment["HF_HUB_OFFLINE"] = "1"
    environment["TOKENIZERS_PARALLELISM"] = "false"
    return environment


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
