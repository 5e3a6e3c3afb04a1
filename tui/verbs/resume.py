"""resume RUN: the next attempt, from the last good checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunewright.tui import say
from tunewright.tui.verbs.common import add_json, add_run, launched, say_ending, summary

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--detach", action="store_true", help="launch and return at once")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.run.launch import resume
    from tunewright.engine.run.rundir import find_run
    from tunewright.tui.follow import follow

    run_dir = find_run(options.run)
    resume(run_dir)
    record = run_dir.read_record()
    if options.detach:
        return launched(run_dir, as_json=options.json)
    ended = follow(
        run_dir,
        from_attempt=len(record.attempts),
        stop_on_interrupt=True,
        quiet=options.json,
    )
    if options.json:
        say.data(summary(run_dir, ended))
    return say_ending(run_dir, ended)
