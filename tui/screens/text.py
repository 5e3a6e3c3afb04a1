"""A text that is longer than its place, in a box that scrolls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll

from tunewright.tui.screens.dialog import Dialog
from tunewright.tui.widgets.lines import Lines, wrapped


def box_width(app: App[Any]) -> int:
    """Cells of a line in a box beside its scroll bar: 71, or what a narrow terminal has."""
    return max(20, min(71, app.size.width - 7))


class LongText(Dialog[None]):
    """`lines` are `box_width` cells wide at most. j k g G scroll, y copies, esc closes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,q,question_mark", "close", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
        Binding("g,home", "edge(0)", show=False),
        Binding("G,end", "edge(1)", show=False),
        Binding("y", "copy", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[Text], *, at_end: bool = False) -> None:
        super().__init__()
        self.head = title
        self.lines = list(lines)
        self.at_end = at_end

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Lines(id="long-title")
            with VerticalScroll(id="long"):
                yield Lines(id="long-text")

    DEFAULT_CSS = "LongText #long { height: auto; max-height: 18; scrollbar-size-vertical: 1; }"

    def on_mount(self) -> None:
        title = Text(self.head, "bold").append("   esc close  y copy  j k scroll", "dim")
        titles = wrapped(title, box_width(self.app))
        self.query_one("#long-title", Lines).show(titles)
        self.query_one("#long-text", Lines).show(self.lines)
        self.query_one("#long").styles.max_height = max(4, self.app.size.height - 3 - len(titles))
        if self.at_end:
            self.call_after_refresh(self.action_edge, 1)

    def action_scroll(self, by: int) -> None:
        self.query_one("#long").scroll_relative(y=by, animate=False)

    def action_edge(self, end: int) -> None:
        box = self.query_one("#long")
        (box.scroll_end if end else box.scroll_home)(animate=False)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard("\n".join(line.plain for line in self.lines))
        self.action_close()
