"""All keys of a pane: what each does, and why one can do nothing now."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tunewright.tui.commands import JUMPS, MOVING, Command, key_name
from tunewright.tui.widgets.lines import wrapped


def key_lines(
    commands: Sequence[tuple[Command, str | None]], width: int, no_jumps: str | None
) -> list[Text]:
    """The lines of the `?` screen; each command comes with why it can do nothing now, or None, and
    so do the jumps to other steps."""
    lines = []
    for command, why_not in commands:
        keys = " ".join([key_name(command), *command.keys[1:]])
        told = Text().append(f"{keys:>9}  ", "bold").append(command.help)
        lines += wrapped(told, width, 11)
        lines += _not_now(why_not, width)
    lines.append(Text())
    for keys, does in MOVING:
        lines.append(Text().append(f"{keys:>9}  ", "bold").append(does))
        lines += _not_now(no_jumps if (keys, does) == JUMPS else None, width)
    return lines


def _not_now(why_not: str | None, width: int) -> list[Text]:
    return wrapped(Text(f"{'':11}not now: {why_not}", "dim"), width, 11) if why_not else []
