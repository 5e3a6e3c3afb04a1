"""report RUN: what it did and what it proved, as Markdown on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit
from tunewright.tui import say
from tunewright.tui.verbs.common import add_run

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--json", action="store_true", help="the results of the stages as data")


def run(options: argparse.Namespace) -> int:
    import msgspec

    from tunewright.engine.report import report_markdown
    from tunewright.engine.run.rundir import find_run

    run_dir = find_run(options.run)
    if options.json:
        results = sorted(run_dir.results.glob("*.json"))
        say.data({path.stem: msgspec.json.decode(path.read_bytes()) for path in results})
    else:
        say.line(report_markdown(run_dir.path))
    return Exit.DONE
