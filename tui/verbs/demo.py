"""demo: the embedded model on the embedded task: on the screens, or through --replay."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit
from tunewright.tui import say
from tunewright.tui.verbs import replay

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--headless",
        action="store_true",
        help="replay it without the screens, as without a terminal or with HEADLESS=1",
    )
    parser.add_argument(
        "--prepare", action="store_true", help="only prepare, and print the session to replay"
    )
    replay.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.demo.prepare import prepare_demo

    path = prepare_demo(say.note)
    if options.prepare:
        if options.json:
            say.data({"session": str(path)})
        else:
            say.line(str(path))
        return Exit.DONE
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if terminal and not (options.headless or options.json or os.environ.get("HEADLESS")):
        from tunewright.tui.opening import open_screens

        return open_screens(path)
    options.replay = str(path)
    return replay.run(options)
