"""wait RUN: nothing but the exit code, when the run has ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit, Problem
from tunewright.tui import say
from tunewright.tui.verbs.common import add_json, add_run, say_ending, summary

if TYPE_CHECKING:
    import argparse

POLL_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="give up after so long")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.run.rundir import find_run, spoken
    from tunewright.engine.run.view import view

    run_dir = find_run(options.run)
    started = time.monotonic()
    while (now := view(run_dir)).alive:
        if options.timeout is not None and time.monotonic() - started > options.timeout:
            name = spoken(run_dir, now.record.id)
            raise Problem(
                f"{name} is still {now.state} after {options.timeout:g} s",
                why="the wait was limited; the run goes on",
                cure=f"tunewright wait {name}",
                exit=Exit.FAILED,
            )
        time.sleep(POLL_SECONDS)
    if options.json:
        say.data(summary(run_dir, now))
    return say_ending(run_dir, now)
