"""A question before something that cannot be undone. No is the default."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from tunewright.tui.screens.dialog import Dialog


class Ask(Dialog[bool]):
    """True only for `y`; enter, n, q and esc say no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", show=False),
        Binding("n,q,enter", "answer(False)", show=False),
    ]

    def __init__(self, question: str, detail: str) -> None:
        super().__init__()
        self.question = question
        self.detail = detail

    def compose(self) -> ComposeResult:
        text = Text()
        text.append(self.question + "\n", "bold").append(f"\n{self.detail}\n\n")
        text.append("y", "bold").append(" yes   ").append("[n no]", "bold reverse").append(
            "  enter"
        )
        with Vertical(id="box"):
            yield Static(text)

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)
