"""The boxes over the panes. None stands on the first frame, so each is imported as it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App
    from textual.screen import ModalScreen

    from tunewright.hardware.errors import Problem
    from tunewright.hardware.snapshot import Snapshot
    from tunewright.tui.commands import Command
    from tunewright.tui.steps import Step


def ask(question: str, detail: str) -> ModalScreen[bool]:
    """A question before something that cannot be undone."""
    from tunewright.tui.screens.ask import Ask

    return Ask(question, detail)


def trouble(problem: Problem) -> ModalScreen[None]:
    """What went wrong, why, and the cure."""
    from tunewright.tui.screens.trouble import Trouble

    return Trouble(problem)


def palette(commands: Sequence[tuple[Command, str | None]]) -> ModalScreen[str]:
    """Every command by name, and every step; gives the name, or `step:<id>`."""
    from tunewright.tui.screens.palette import Palette

    return Palette(commands)


def keys(
    app: App[int], at: Step, commands: Sequence[tuple[Command, str | None]]
) -> ModalScreen[None]:
    """All keys of a step, and the expert's tables that belong to it."""
    from tunewright.tui.screens.guide import guide_lines
    from tunewright.tui.screens.keys import key_lines
    from tunewright.tui.screens.text import LongText, box_width

    width = box_width(app)
    lines = [*key_lines(commands, width), *guide_lines(at.id, width)]
    return LongText(f"{at.title}: {at.question}", lines)


def what_if() -> ModalScreen[Snapshot]:
    """Another machine to plan on."""
    from tunewright.tui.screens.what_if import WhatIf

    return WhatIf()
