"""The field that names the file of the rows: opened by a key, closed when the file is read."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from tunewright.engine.text import plain
from tunewright.hardware.errors import Problem
from tunewright.tui.panes.data_look import DataLook
from tunewright.tui.widgets.folder_field import FolderField
from tunewright.tui.widgets.lines import Lines, wrapped
from tunewright.tui.workbench import Workbench


class DataField(Vertical):
    """A hint, the field, and what is wrong with what was typed; says `Named` or `Closed`."""

    DEFAULT_CSS = "DataField { height: auto; display: none; } DataField Lines { height: auto; }"

    class Named(Message):
        """A path was typed."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

    class Closed(Message):
        """Nothing was typed: the field is to go."""

    def compose(self) -> ComposeResult:
        yield Lines(id="data-field")
        yield FolderField(placeholder="a file of rows, or demo:orders", files=True, id="data-path")
        yield Lines(id="data-error")

    def on_mount(self) -> None:
        hint = Text("file   tab completes, enter reads it, esc closes", "dim")
        self.query_one("#data-field", Lines).show([hint])

    @property
    def field(self) -> FolderField:
        return self.query_one(FolderField)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one("#data-error", Lines).show([])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        path = event.value.strip()
        self.post_message(self.Named(path) if path else self.Closed())

    def say(self, problem: Problem, width: int) -> None:
        """Why what was typed is no data."""
        told = [f"! {problem.what}", *problem.why.splitlines()[:4], problem.cure]
        lines = [part for line in told for part in wrapped(plain(line), width, 2)]
        self.query_one("#data-error", Lines).show(lines)


def tried(bench: Workbench, path: str) -> Problem | None:
    """Whether a path is data at all, for a thread; what is wrong with its rows is told beside
    them."""
    data = msgspec.structs.replace(
        bench.inputs.data,
        path=path,
        eval_path=None,
        fingerprint=None,
        eval_fingerprint=None,
        revision=None,
    )
    look = DataLook(data, Path.cwd())
    look.open()
    look.stop()
    return look.problem
