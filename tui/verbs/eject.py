"""eject RUN: leave Tunewright with a script that does the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit
from tunewright.tui import say
from tunewright.tui.verbs.common import add_json, add_run

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--out", type=Path, default=Path("ejected"), metavar="DIR")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.eject.eject import eject
    from tunewright.engine.run.rundir import find_run

    script = eject(find_run(options.run).path, options.out)
    if options.json:
        say.data({"script": str(script)})
    else:
        say.line(str(script))
    return Exit.DONE
