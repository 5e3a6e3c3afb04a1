"""Starting and resuming a run: the supervisor gets its own session and needs no terminal."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from tunewright.engine.devices.planned import refuse_invented
from tunewright.engine.environment import needed_packages
from tunewright.engine.evidence.given import is_endpoint
from tunewright.engine.homes import runs_home
from tunewright.engine.run.create import create, new_run_id
from tunewright.engine.run.interpreter import check_python, worker_environment
from tunewright.engine.run.lock import is_locked
from tunewright.engine.run.rundir import (
    ExitRecord,
    LaunchOptions,
    RunDir,
    RunRecord,
    spoken,
    write_exit,
)
from tunewright.engine.run.supervisor import IN_USE, Order
from tunewright.engine.run.view import START_SECONDS, foreign_seconds, living_processes, view
from tunewright.engine.session import Session, encode_session, load_session, rebase
from tunewright.engine.text import duration
from tunewright.hardware.errors import Exit, Problem

# A supervisor that is told to end has a worker to end first.
END_SECONDS = 10.0


def launch(
    session: Session, base: Path, options: LaunchOptions, run_dir: Path | None = None
) -> RunDir:
    """Make a run directory for a planned session and start its supervisor; return once it lives.

    `base` is the folder that the session's relative paths start from. A `Problem` for a session
    that was planned on an invented machine, and when the directory cannot
    be made, `options.python` is of no use, or the supervisor does not start.
    """
    refuse_invented(session)
    options = _checked(options, session)
    run_id = new_run_id(session.inputs.name)
    path = (run_dir or runs_home() / run_id).absolute()
    record = RunRecord(id=run_id, name=session.inputs.name, created=time.time())
    run = create(path, encode_session(rebase(session, base, path)), record)
    _start(run, Order(because="launched", options=options))
    return run


def resume(run: RunDir, options: LaunchOptions | None = None) -> None:
    """Start the next attempt of a run that has ended, from its last good checkpoint.

    A `Problem` while anything of an earlier attempt lives, or when there is nothing left to do.
    """
    now = view(run)
    name = spoken(run, now.record.id)
    if now.alive:
        raise Problem(
            f"{name} is {now.state}",
            why="its supervisor is at work",
            cure=f"watch it: tunewright attach {name}",
        )
    living = living_processes(now.record)
    if living:
        raise Problem(
            f"{name} still has a process of an earlier attempt: {living}",
            why="its supervisor is gone and it is on its way out, writing a checkpoint",
            cure=f"wait a moment and try again, or end it: kill {' '.join(map(str, living))}",
        )
    if seconds := foreign_seconds(run, now.record):
        host = now.record.attempts[-1].supervisor.host
        raise Problem(
            f"{name} may still have a process on {host}",
            why=f"its supervisor there has gone silent, and a worker without one has up to "
            f"{duration(seconds)} more to write a checkpoint",
            cure=f"sleep {seconds:.0f}; tunewright resume {name}",
        )
    if now.state == "done":
        raise Problem(
            f"{name} is done",
            why="all of its stages have finished",
            cure=f"see what it gave: tunewright report {name}",
        )
    if options is None:
        last = now.record.attempts[-1].options if now.record.attempts else LaunchOptions()
        # A time limit was for that attempt; the person who resumes wants the rest.
        options = msgspec.structs.replace(last, timeout_seconds=None)
    assert now.ended is not None
    options = _checked(options, load_session(run.session))
    _start(run, Order(because=f"resumed after: {now.ended.what}", options=options))


def _checked(options: LaunchOptions, session: Session) -> LaunchOptions:
    """The options with an absolute `python` that has what the session's stages need."""
    if options.python is None:
        return options
    packages = needed_packages(
        training=not is_endpoint(session.inputs.model),
        evidence=session.inputs.evidence is not None,
    )
    python = check_python(options.python, packages, worker_environment())
    return msgspec.structs.replace(options, python=python)


def _start(run: RunDir, order: Order) -> None:
    before = len(run.read_record().attempts)
    try:
        with open(run.log, "ab", opener=_private) as log:
            said = os.fstat(log.fileno()).st_size
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
                # A folder of the person's could hold an engine.py that would be imported.
                cwd="/",
                env=worker_environment(),
            )
    except OSError as error:
        raise _not_started(run, str(error)) from error
    try:
        started = _wait(run, supervisor, before)
    except BaseException:
        # Ctrl-C while it starts: nothing may run that nobody was told of.
        _end(supervisor)
        raise
    if started:
        return
    _end(supervisor)
    if supervisor.returncode == IN_USE:
        raise Problem(
            f"{run.path} is in use",
            why="another client has just started it",
            cure=f"watch it: tunewright attach {spoken(run, run.read_record().id)}",
        )
    raise _not_started(run, _last_words(run.log, said) or "its supervisor said nothing")


def _wait(run: RunDir, supervisor: subprocess.Popen[bytes], before: int) -> bool:
    """Whether that very supervisor has added an attempt to the `before` that there were, within
    the time a start may take."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        gone = supervisor.poll() is not None
        attempts = run.read_record().attempts
        if len(attempts) > before and attempts[-1].supervisor.pid == supervisor.pid:
            return True
        if gone or time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def _end(supervisor: subprocess.Popen[bytes]) -> None:
    supervisor.terminate()
    try:
        supervisor.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()


def _not_started(run: RunDir, why: str) -> Problem:
    """The `Problem`, told by the run too where it has no other ending."""
    what, cure = "the run did not start", f"see {run.log}"
    with contextlib.suppress(OSError):
        if not run.exit.exists() and not is_locked(run.lock):
            write_exit(run, ExitRecord("failed", Exit.FAILED, 1, time.time(), what, why, cure))
    return Problem(what, why=why, cure=cure, exit=Exit.FAILED)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _last_words(log: Path, offset: int) -> str:
    lines = log.read_bytes()[offset:].decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
