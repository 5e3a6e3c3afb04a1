"""Another machine to plan on: typed, with what the catalogue offers while one types."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from tunewright.hardware.errors import Problem
from tunewright.hardware.snapshot import Snapshot
from tunewright.hardware.suggest import suggestions
from tunewright.hardware.whatif import imagine
from tunewright.tui.screens.dialog import Dialog
from tunewright.tui.widgets.lines import Lines, wrapped
from tunewright.tui.widgets.rows import Column, Row, Rows

_OFFERED = 8


class WhatIf(Dialog[Snapshot]):
    """Gives the machine that was described; None when the person thought better of it."""

    # The screen would move the focus on tab, and the field has it for good.
    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", show=False, priority=True)]

    DEFAULT_CSS = f"WhatIf #offered {{ height: {_OFFERED + 1}; }}"

    def __init__(self) -> None:
        super().__init__()
        # Whether the person has gone down into the list: then enter takes what is marked there.
        self._in_list = False

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Lines(id="asked")
            yield Input(placeholder="8x H100 80GB, RTX 4090 + RTX 3090, …", compact=True)
            yield Rows([Column("")], empty="nothing in the catalogue begins so", id="offered")
            yield Lines(id="wrong")

    def on_mount(self) -> None:
        self.query_one("#asked", Lines).show([Text("What if the machine were", "bold")])
        self._offer("")
        self._explain(None)
        self.set_focus(self.query_one(Input))

    def _offer(self, typed: str) -> None:
        found = suggestions(typed, _OFFERED)
        self.query_one(Rows).show([Row(whole, (whole,)) for whole in found])

    def _explain(self, problem: Problem | None) -> None:
        width = max(20, min(72, self.app.size.width - 4))
        if problem is None:
            told = [Text("enter plans on it   tab completes   ↑↓ choose   esc leaves", "dim")]
        else:
            told = [
                line
                for text in (Text(problem.what, "bold"), problem.why, f"try: {problem.cure}")
                for line in wrapped(text, width, 2)
            ]
        self.query_one("#wrong", Lines).show(told)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._in_list = False
        self._offer(event.value)
        self._explain(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        marked = self.query_one(Rows).key if self._in_list else None
        try:
            machine = imagine(marked or event.value)
        except Problem as problem:
            self._explain(problem)
            return
        self.dismiss(machine)

    def key_up(self) -> None:
        self.query_one(Rows).action_move(-1)
        self._in_list = True

    def key_down(self) -> None:
        # The first press goes into the list, where the first line is marked already.
        if self._in_list:
            self.query_one(Rows).action_move(1)
        self._in_list = True

    def action_complete(self) -> None:
        marked = self.query_one(Rows).key
        if marked is not None:
            field = self.query_one(Input)
            field.value = marked
            field.cursor_position = len(marked)

    def on_rows_moved(self, message: Rows.Moved) -> None:
        message.stop()
