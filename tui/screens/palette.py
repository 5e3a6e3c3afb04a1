"""Every command by name: type a part of it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from tunewright.tui.commands import Command, key_name
from tunewright.tui.screens.dialog import Dialog
from tunewright.tui.steps import RUNS, STEPS
from tunewright.tui.widgets.rows import Column, Row, Rows


class Palette(Dialog[str]):
    """Gives the name of the chosen command, or `step:<id>`."""

    DEFAULT_CSS = "Palette #found { height: 14; }"

    def __init__(self, commands: Sequence[tuple[Command, str | None]]) -> None:
        super().__init__()
        self.commands = commands
        self._rows: list[Row] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Input(placeholder="a command or a step", compact=True)
            yield Rows([Column("", 16), Column("", 6), Column("")], unmatched="no such", id="found")

    def on_mount(self) -> None:
        rows = [
            Row(
                command.name,
                (
                    command.title,
                    key_name(command),
                    f"not now: {why_not}" if why_not else command.help,
                ),
                "dim" if why_not else "",
            )
            for command, why_not in self.commands
        ]
        rows += [Row(f"step:{s.id}", (s.title, s.key, s.question)) for s in (*STEPS, RUNS)]
        self._rows = rows
        self.query_one(Rows).show(rows)
        self.set_focus(self.query_one(Input))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        typed, found = event.value.casefold(), self.query_one(Rows)
        found.narrow(typed)
        found.show(sorted(self._rows, key=lambda row: _nearness(row, typed)))
        found.action_edge(0)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(self.query_one(Rows).key)

    def key_up(self) -> None:
        self.query_one(Rows).action_move(-1)

    def key_down(self) -> None:
        self.query_one(Rows).action_move(1)

    def on_rows_moved(self, message: Rows.Moved) -> None:
        message.stop()


def _nearness(row: Row, typed: str) -> int:
    """What is called exactly so comes first, then what begins so."""
    title = str(row.cells[0]).casefold()
    return 0 if title == typed else 1 if title.startswith(typed) else 2
