"""schema: the JSON Schema of session.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit
from tunewright.tui import say
from tunewright.tui.verbs.common import add_json

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It is JSON with the flag and without."""
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.session import session_schema

    say.data(session_schema())
    return Exit.DONE
