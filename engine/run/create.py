"""Making a run directory: whole and known to the index, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import time
from pathlib import Path

from tunewright.engine.files import write_atomic
from tunewright.engine.homes import index_home
from tunewright.engine.run.rundir import RunDir, RunRecord, write_record
from tunewright.hardware.errors import Problem


def new_run_id(name: str) -> str:
    """`<name>-<date>-<time>-<4 hex>`: sorts by name and time, unique without a registry."""
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in name.lower()).strip("-")[:40]
    return f"{safe or 'run'}-{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(2).hex()}"


def create(path: Path, session: bytes, record: RunRecord) -> RunDir:
    """Make the directory (0700) with its session and record, and enter it in the index.

    A `Problem` when it exists and holds anything, or when it or the index cannot be written; then
    nothing is left behind.
    """
    run = RunDir(path)
    there = run.path.exists()
    try:
        run.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(run.path.iterdir()):
            raise Problem(
                f"{run.path} is not empty",
                why="a run directory belongs to one run",
                cure=f"name another --run-dir, or go on with the run in it: "
                f"tunewright resume {shlex.quote(str(run.path))}",
            )
        _take(run)
    except OSError as error:
        raise _unwritable(f"cannot make the run directory {run.path}", error) from error
    try:
        # The directory may have existed with wider rights; what is in it is private.
        run.path.chmod(0o700)
        for folder in (run.orders, run.events, run.results):
            folder.mkdir(mode=0o700)
        write_atomic(run.session, session)
        write_record(run, record)
    except OSError as error:
        _unmake(run, there)
        raise _unwritable(f"cannot make the run directory {run.path}", error) from error
    index = index_home()
    try:
        index.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(index / record.id, os.fsencode(run.path) + b"\n")
    except OSError as error:
        _unmake(run, there)
        raise Problem(
            f"the list of runs in {index} cannot be written",
            why=str(error.strerror or error),
            cure="make that folder writable, or set TUNEWRIGHT_HOME to one that is",
        ) from error
    return run


def _take(run: RunDir) -> None:
    """Make control/: only one of two launchers can, and that decides a race for the directory."""
    try:
        run.control.mkdir(mode=0o700)
    except FileExistsError as error:
        raise Problem(
            f"{run.path} was just taken by another launch",
            why="two launches named the same run directory",
            cure="name another --run-dir",
        ) from error


def _unmake(run: RunDir, keep: bool) -> None:
    """Remove what `create` put into the directory, and the directory too unless `keep`."""
    with contextlib.suppress(OSError):
        for folder in (run.orders, run.events, run.results):
            if folder.is_dir():
                folder.rmdir()
        for file in (run.session, run.record):
            file.unlink(missing_ok=True)
        # Last, since it is what keeps other launchers out.
        run.control.rmdir()
        if not keep:
            run.path.rmdir()


def _unwritable(what: str, error: OSError) -> Problem:
    room = "free some space there, or " if error.errno == errno.ENOSPC else ""
    return Problem(
        what,
        why=str(error.strerror or error),
        cure=f"{room}set TUNEWRIGHT_HOME to a folder that can be written; on the command line "
        "--run-dir names one too",
    )
