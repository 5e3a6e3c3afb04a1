"""stop RUN: a checkpoint, then the end; or with --kill the end at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit
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
    from tunewright.engine.run.client import ask
    from tunewright.engine.run.rundir import find_run, spoken
    from tunewright.engine.run.view import view

    run_dir = find_run(options.run)
    ask(run_dir, "kill" if options.kill else "stop", by="tunewright stop")
    now = view(run_dir)
    while not options.no_wait and now.alive:
        time.sleep(POLL_SECONDS)
        now = view(run_dir)
    if options.json:
        say.data(summary(run_dir, now))
    else:
        say.line(f"{spoken(run_dir, now.record.id)} {now.state}")
    return Exit.DONE
