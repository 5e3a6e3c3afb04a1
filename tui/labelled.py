"""A label and what it says, in a few lines: no Textual here."""

from __future__ import annotations

import textwrap

from rich.text import Text

from tunewright.engine.text import plain
from tunewright.hardware.errors import Problem


def labelled(
    head: str, text: str, width: int, most: int, style: str = "", rest: str = ""
) -> list[Text]:
    """`head` and untrusted `text` in at most `most` lines of `width`; the last ends in an ellipsis
    when there is more."""
    if most <= 0:
        return []
    lines = textwrap.wrap(
        plain(head + text),
        max(width, 12),
        # Labels that end in spaces stand in a column of their own.
        subsequent_indent=" " * len(head) if head.endswith("  ") and len(head) < 10 else "  ",
        break_on_hyphens=False,
        max_lines=most,
        placeholder=" …",
        drop_whitespace=True,
    ) or [""]
    shown = [Text(line, rest) for line in lines]
    shown[0].stylize(style, 0, len(head.rstrip()))
    return shown


def error_lines(problem: Problem, width: int) -> list[Text]:
    """What is wrong with what was typed, to stand under its field."""
    return [
        *labelled("! ", f"{problem.what}: {problem.why}", width, 2, "bold red"),
        *labelled("cure  ", problem.cure, width, 2, "dim"),
    ]
