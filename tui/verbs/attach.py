"""attach RUN: follow a run as text. Leaving never touches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunewright.tui import say
from tunewright.tui.verbs.common import add_json, add_run, say_ending, summary

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.run.rundir import find_run
    from tunewright.tui.follow import follow

    run_dir = find_run(options.run)
    ended = follow(run_dir, stop_on_interrupt=False, quiet=options.json)
    if options.json:
        say.data(summary(run_dir, ended))
    return say_ending(run_dir, ended)
