"""A list with columns and a cursor: arrows, j k, g G, pages, and a filter. Drawn by line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tunewright.engine.text import shorten
from tunewright.tui.widgets.lines import strip_of


class Row(NamedTuple):
    """One row: `key` names it, `cells` are its columns, `style` is an ANSI style for all of it.
    A row that is not `enabled` can be looked at, and says why when it is chosen."""

    key: str
    cells: tuple[str | Text, ...]
    style: str = ""


class Column(NamedTuple):
    """`width` in cells; 0 takes what is left. `right` aligns numbers."""

    title: str
    width: int = 0
    right: bool = False


class Rows(ScrollView, can_focus=True):
    """See the module. The row under the cursor is marked `>`, and reversed while focused."""

    DEFAULT_CSS = "Rows { height: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "edge(0)", show=False),
        Binding("end,G", "edge(1)", show=False),
    ]

    class Moved(Message):
        """The cursor stands on another row."""

        def __init__(self, rows: Rows, key: str | None) -> None:
            super().__init__()
            self.rows = rows
            self.key = key

        @property
        def control(self) -> Rows:
            return self.rows

    def __init__(
        self,
        columns: Sequence[Column] = (),
        *,
        empty: str = "",
        unmatched: str = "",
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        # What stands here when there is nothing: it names the next key.
        self.empty = empty
        # What stands here when nothing matches, if it is not the find field that sought it.
        self.unmatched = unmatched
        self._all: list[Row] = []
        self._rows: Sequence[Row] = []
        self._at = 0
        self._filter = ""

    # -- data

    def show(self, rows: Sequence[Row], columns: Sequence[Column] | None = None) -> None:
        """Show `rows`; the cursor stays on the row of the same key. Repaints what differs."""
        key = self.key
        if columns is not None and tuple(columns) != self.columns:
            self.columns = tuple(columns)
            self.refresh()
        self._all = list(rows)
        self._filtered(key)

    def narrow(self, text: str) -> None:
        """Show only rows that contain `text`, whatever its case; "" shows all."""
        if text != self._filter:
            self._filter = text
            self._filtered(self.key)
            if not self._rows:
                # What was sought is named.
                self.refresh()

    def _filtered(self, key: str | None) -> None:
        old = self._rows
        sought = self._filter.casefold()
        self._rows = [row for row in self._all if sought in _said(row).casefold()]
        keys = [row.key for row in self._rows]
        self._at = keys.index(key) if key in keys else min(self._at, max(0, len(keys) - 1))
        head = self._head()
        self.virtual_size = Size(self.size.width, len(self._rows) + head)
        if len(old) != len(self._rows):
            self.refresh()
        else:
            for at, (before, now) in enumerate(zip(old, self._rows, strict=True)):
                if before != now:
                    self._repaint(at)
        if self.key != key:
            self.post_message(self.Moved(self, self.key))

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor; None when there is none."""
        return self._rows[self._at].key if self._rows else None

    @property
    def shown(self) -> list[str]:
        """The rows as text, for tests and for copying."""
        return [_said(row) for row in self._rows]

    def select(self, key: str) -> None:
        """Put the cursor on the row of that key, if it is there."""
        keys = [row.key for row in self._rows]
        if key in keys:
            self._to(keys.index(key))

    # -- moving

    def action_move(self, by: int) -> None:
        self._to(self._at + by)

    def action_page(self, by: int) -> None:
        self._to(self._at + by * max(1, self.size.height - 1 - self._head()))

    def action_edge(self, end: int) -> None:
        self._to(len(self._rows) - 1 if end else 0)

    def on_click(self, event: Any) -> None:
        at = int(event.y + self.scroll_offset.y) - self._head()
        if 0 <= at < len(self._rows):
            self._to(at)

    def _to(self, at: int) -> None:
        at = max(0, min(at, len(self._rows) - 1))
        if at == self._at or not self._rows:
            return
        before, self._at = self._at, at
        self._repaint(before)
        self._repaint(at)
        self._into_sight()
        self.post_message(self.Moved(self, self.key))

    def _into_sight(self) -> None:
        y = self._at + self._head()
        # With the first row the head comes back into sight.
        top = 0 if self._at == 0 else y
        self.scroll_to_region(Region(0, top, 1, y + 1 - top), animate=False)

    # -- drawing

    def _head(self) -> int:
        return 1 if any(column.title for column in self.columns) else 0

    def _repaint(self, at: int) -> None:
        y = at + self._head() - int(self.scroll_offset.y)
        if 0 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def on_focus(self) -> None:
        self._repaint(self._at)

    def on_blur(self) -> None:
        self._repaint(self._at)

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._rows) + self._head())
        self.refresh()
        # What stands beside the list may have grown with the row that was gone to.
        self.call_after_refresh(self._into_sight)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        line = y + int(self.scroll_offset.y) - self._head()
        if line == -1:
            return strip_of(self._line([c.title for c in self.columns], " ", width, "dim"), width)
        if not self._rows and line == 0:
            said = self.empty
            if self._all:
                said = self.unmatched or f"nothing matches {self._filter}; esc shows all"
            return strip_of(Text(shorten(said, width), "dim"), width)
        if not 0 <= line < len(self._rows):
            return Strip.blank(width, Style.null())
        row = self._rows[line]
        current = line == self._at
        text = self._line(row.cells, ">" if current else " ", width, row.style)
        if current and self.has_focus:
            text.stylize("reverse")
        return strip_of(text, width)

    def _line(self, cells: Sequence[str | Text], mark: str, width: int, style: str) -> Text:
        line = Text(mark + " ", style=style)
        fixed = sum(column.width + 1 for column in self.columns if column.width)
        free = sum(1 for column in self.columns if not column.width)
        rest = max(4, (width - 2 - fixed - free) // max(1, free))
        for column, cell in zip(self.columns, cells, strict=False):
            size = column.width or rest
            text = cell.copy() if isinstance(cell, Text) else Text(shorten(cell, size))
            text.truncate(size, overflow="ellipsis")
            pad = max(0, size - text.cell_len)
            line.append(" " * pad if column.right else "")
            line.append_text(text)
            line.append(" " * (pad if not column.right else 0) + " ")
        return line


def _said(row: Row) -> str:
    return "  ".join(cell.plain if isinstance(cell, Text) else cell for cell in row.cells)
