"""What went wrong, why, and the cure with a command to copy."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from tunewright.engine.text import plain
from tunewright.hardware.errors import Problem
from tunewright.tui.screens.dialog import Dialog


class Trouble(Dialog[None]):
    """Closed by any of the keys that go on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,q", "close", show=False),
        Binding("y", "copy", show=False),
    ]

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem

    def compose(self) -> ComposeResult:
        text = Text()
        text.append("! ", "bold red").append(_lines(self.problem.what) + "\n", "bold")
        text.append("\nwhy   ", "dim").append(_lines(self.problem.why))
        text.append("\ncure  ", "dim").append(_lines(self.problem.cure))
        text.append("\n\ny", "bold").append(" copy the cure   ").append("enter", "bold")
        text.append(" close")
        with VerticalScroll(id="box"):
            yield Static(text)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.problem.cure)
        self.action_close()


def _lines(text: str) -> str:
    return "\n      ".join(plain(line) for line in text.splitlines())
