"""Runs that end while a person looks elsewhere: a bell, and a command of theirs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from tunewright.engine.run.rundir import RunDir, living_runs
from tunewright.engine.run.view import RunView, view
from tunewright.hardware.errors import Problem

# A command that tells a person something is done by then; one that hangs must not stay for ever.
NOTIFY_SECONDS = 60.0


class Endings:
    """Which runs have ended since the last look. Not shared between threads."""

    def __init__(self) -> None:
        self._living: dict[Path, RunDir] = {}

    def look(self) -> tuple[frozenset[Path], list[RunView]]:
        """The directories of the runs that live, and how those ended that do not any more."""
        living = {run.path: run for run in living_runs()}
        gone = [run for path, run in self._living.items() if path not in living]
        self._living = living
        ended = []
        for run in gone:
            # A run that was deleted in between has nothing left to tell.
            with contextlib.suppress(Problem):
                ended.append(view(run))
        return frozenset(living), [now for now in ended if not now.alive]


def notify(command: str, run: str, state: str, complain: Callable[[str], None]) -> None:
    """Run a person's shell command with RUN and STATE set; wait for it, a minute at most.

    It gets no terminal, so it can neither draw on the screen nor wait for keys. `complain` is
    called when it fails.
    """
    process = subprocess.Popen(
        command,
        shell=True,
        env={**os.environ, "RUN": run, "STATE": state},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        code = process.wait(NOTIFY_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        complain(f"--notify: the command was ended after {NOTIFY_SECONDS:g} s")
    else:
        if code:
            complain(f"--notify: the command failed with exit code {code}")
