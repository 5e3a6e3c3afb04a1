"""Driving the real program from tests: real command line, real detached runs, real signals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tunewright.engine.run.curves import Curves
from tunewright.engine.run.rollup import read_curves
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.run.view import living_processes, view

PROGRAM = str(Path(sys.executable).with_name("tunewright"))
# A worker imports the training stack for 10 to 20 s, more on a busy machine.
PATIENCE = 180.0


def until(met: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait until `met()` is true and return what it gave; AssertionError naming `what` if never."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = met()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never happened: {what}")


class Live:
    """A home of its own for runs, with the tiny model and its data."""

    def __init__(self, home: Path, model: Path, train: Path, held: Path) -> None:
        self.home = home
        self.model, self.train, self.held = model, train, held
        # A size in the environment would win over that of the terminal.
        inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        self.environment = {
            **inherited,
            "TUNEWRIGHT_HOME": str(home),
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def __call__(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run the program to its end; the exit code must be `code` unless that is None."""
        done = subprocess.run(
            [PROGRAM, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=600,
            check=False,
        )
        told = f"{words} -> {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert code is None or done.returncode == code, told
        assert "Traceback" not in done.stderr, told
        return done

    def words(self, *more: str, steps: int, stages: str = "train") -> list[str]:
        """The command line of a short training run on the tiny model."""
        return [
            "train", str(self.model), str(self.train), "--eval-data", str(self.held),
            "--stages", stages, "--set", f"max_steps={steps}", "--set", "save_steps=10",
            "--set", "eval_strategy=no", "--set", "load_best_model_at_end=false", *more,
        ]  # fmt: skip

    def launch(self, *more: str, steps: int, stages: str = "train") -> RunDir:
        """Start a detached run and return its directory."""
        done = self(*self.words("--detach", "--json", *more, steps=steps, stages=stages))
        return RunDir(Path(json.loads(done.stdout)["path"]))


def curves(run: RunDir) -> Curves:
    return read_curves(run.events)


def losses(run: RunDir) -> dict[int, float]:
    """Loss by step, as the last attempt that reached it had it."""
    found = curves(run)
    return dict(zip(found.step, found.loss, strict=True))


def steps_done(run: RunDir) -> int:
    found = curves(run).step
    return found[-1] if found else 0


def until_step(run: RunDir, step: int) -> None:
    """Wait until the run has reached `step`; it must not end before."""

    def reached() -> bool:
        now = view(run)
        assert now.alive or steps_done(run) >= step, f"ended early: {now.ended}"
        return steps_done(run) >= step

    until(reached, f"step {step}")


def until_ended(run: RunDir) -> str:
    """Wait until nothing of the run lives; its state."""
    until(
        lambda: not view(run).alive and not living_processes(run.read_record()),
        "the end of the run",
    )
    return view(run).state


def pids(run: RunDir) -> Iterator[int]:
    """(supervisor, worker) of the last attempt, once both are recorded."""
    attempt = until(
        lambda: (a := run.read_record().attempts) and a[-1].workers and a[-1], "a recorded worker"
    )
    yield attempt.supervisor.pid
    yield attempt.workers[0].pid
