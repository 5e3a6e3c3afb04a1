"""Runs whose worker is a few lines of a test: real supervisor and processes, nothing heavy."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from live import until

from tunewright.engine.run.create import create
from tunewright.engine.run.events import Event
from tunewright.engine.run.launch import resume
from tunewright.engine.run.reader import RunEvents
from tunewright.engine.run.rundir import ExitRecord, LaunchOptions, RunDir, RunRecord
from tunewright.engine.run.view import view
from tunewright.engine.session import VERSION, DataInput, Inputs, Session, encode_session

_INTERPRETER = """#!/bin/sh
[ "$1" = -m ] && exec {python} {worker} "$3"
exec {python} "$@"
"""

_WORKER = """
import os, signal, sys, time
from pathlib import Path
from tunewright.engine.run.events import *
from tunewright.engine.run.orders import FolderOrders
from tunewright.engine.run.rundir import RunDir
run = RunDir(Path(sys.argv[1]))
attempt = run.read_record().attempts[-1].number
events = EventWriter(run.events / f"{attempt}-worker0.jsonl")
orders = FolderOrders(run, lambda: None)
signal.signal(signal.SIGTERM, lambda *_: orders.request_stop("told to end"))
signal.signal(signal.SIGINT, signal.SIG_IGN)
orders.start()
events.write(Note(text="at work"))
"""

# Works until it is told to stop, and takes a moment for its checkpoint.
OBEYS = """
while orders.stop_requested() is None:
    time.sleep(0.02)
events.write(Note(text="stopped: " + orders.stop_requested()))
time.sleep(0.5)
sys.exit(75)
"""
DEAF = "while True: time.sleep(1)"


def interpreter(folder: Path, body: str) -> str:
    """An executable for `--python` that runs `body` in place of the worker.

    `body` has `run`, `attempt`, `events` and `orders`. Asked anything else, it is this Python.
    """
    folder.mkdir(exist_ok=True)
    worker, script = folder / "worker.py", folder / "python"
    worker.write_text(_WORKER + body)
    script.write_text(_INTERPRETER.format(python=sys.executable, worker=worker))
    script.chmod(0o755)
    return str(script)


def make_run(path: Path, id: str = "fake-1", created: float | None = None) -> RunDir:
    """A run that was launched an hour ago and of which no attempt stands yet."""
    session = Session(
        version=VERSION, inputs=Inputs(name="fake", model="none", data=DataInput(path="none"))
    )
    made = time.time() - 3600 if created is None else created
    return create(path, encode_session(session), RunRecord(id=id, name="fake", created=made))


def start(run: RunDir, folder: Path, body: str, **options: object) -> None:
    """Start the next attempt with `body` as its worker; return when that is at work."""
    before = len(run.read_record().attempts)
    python = interpreter(folder, body)
    resume(run, LaunchOptions(python=python, **options))  # type: ignore[arg-type]
    worker = run.events / f"{before + 1}-worker0.jsonl"
    until(
        lambda: (worker.exists() and worker.stat().st_size) or not view(run).alive,
        "the fake worker",
        30.0,
    )


def ending(run: RunDir) -> ExitRecord:
    """Wait for the end of the run; how it ended."""
    until(lambda: not view(run).alive, "the end of the run", 30.0)
    ended = view(run).ended
    assert ended is not None
    return ended


def told(run: RunDir, kind: type) -> list[Event]:
    """All events of that kind."""
    return [event for event in RunEvents(run.events).read_new() if isinstance(event, kind)]
