"""A problem in lines: what, why and cure."""

from __future__ import annotations

from rich.text import Text

from tunewright.engine.text import plain
from tunewright.hardware.errors import Problem
from tunewright.tui.widgets.lines import wrapped


def problem_lines(problem: Problem, width: int) -> list[Text]:
    """What, why and cure."""
    return [
        *wrapped(Text().append("! ", "bold red").append(plain(problem.what), "bold"), width, 2),
        *wrapped(Text().append("  why   ", "dim").append(plain(problem.why)), width, 8),
        *wrapped(Text().append("  cure  ", "dim").append(plain(problem.cure)), width, 8),
    ]
