"""methods: the training methods and what each is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit
from tunewright.tui import say
from tunewright.tui.verbs.common import add_json

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.train.registry import methods

    found = methods().values()
    if options.json:
        say.data([{"id": m.id, "title": m.title, "trade_off": m.trade_off} for m in found])
    else:
        for method in found:
            say.line(f"{method.id:<7} {method.title}\n        {method.trade_off}")
    return Exit.DONE
