"""stop RUN: a checkpoint, then the end; or with --kill the end at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit, Problem
from tunewright.tui import say
from tunewright.tui.verbs.common import add_json, add_run, summary

if TYPE_CHECKING:
    import argparse

POLL_SECONDS = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--kill", action="store_true", help="at once, without a checkpoint")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until it has ended")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.run import control
    from tunewright.engine.run.rundir import find_run
    from tunewright.engine.run.view import view

    run_dir = find_run(options.run)
    now = view(run_dir)
    if not now.alive:
        raise Problem(
            f"{now.record.id} is not running",
            why=f"it is {now.state}",
            cure=f"go on with it: tunewright resume {now.record.id}"
            if now.state != "done"
            else f"see what it gave: tunewright report {now.record.id}",
        )
    control.send(run_dir.control, "kill" if options.kill else "stop", by="tunewright stop")
    while not options.no_wait and now.alive:
        time.sleep(POLL_SECONDS)
        now = view(run_dir)
    if options.json:
        say.data(summary(run_dir, now))
    else:
        say.line(f"{now.record.id} {now.state}")
    return Exit.DONE
