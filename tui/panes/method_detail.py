"""The list that opens over the Method screen: every reason, or every byte, and the marked one."""

from __future__ import annotations

from typing import Literal

from textual.app import ComposeResult
from textual.containers import Vertical

from tunewright.engine.plan import Plan
from tunewright.engine.sizing import WhatIf
from tunewright.tui.panes.memory_lines import memory_lines, memory_rows
from tunewright.tui.panes.reason_lines import reason_lines, reason_rows
from tunewright.tui.widgets.lines import Lines
from tunewright.tui.widgets.rows import Column, Rows

_REASON_LINES = 5
# From here on the bars of the shares are long.
_WIDE = 76

View = Literal["", "why", "memory"]


class Detail(Vertical):
    """See the module; `view` is what it shows, "" while it is closed."""

    DEFAULT_CSS = """
    Detail { height: 1fr; }
    Detail #detail { height: 1fr; }
    Detail #detail-lines { height: auto; margin-top: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.view: View = ""

    def compose(self) -> ComposeResult:
        yield Rows(id="detail")
        yield Lines(id="detail-lines")

    @property
    def rows(self) -> Rows:
        """The rows, which have the focus while it is open."""
        return self.query_one("#detail", Rows)

    def show_plan(self, what_if: WhatIf, plan: Plan, width: int) -> None:
        """Show the plan in the present view."""
        if self.view == "why":
            self._show_reasons(what_if, plan, width)
        else:
            self._show_memory(plan, width)

    def _show_reasons(self, what_if: WhatIf, plan: Plan, width: int) -> None:
        wide = max(26, min(44, width // 3))
        columns = [Column("", 4), Column("setting", wide), Column("value", 12), Column("why")]
        self.rows.show(reason_rows(what_if, plan), columns)
        self.rows.styles.height = "1fr"
        lines = reason_lines(what_if, plan, self.rows.key or "", width, _REASON_LINES)
        self.query_one("#detail-lines", Lines).show(lines)

    def _show_memory(self, plan: Plan, width: int) -> None:
        bars = 20 if width >= _WIDE else 8
        columns = [Column("what", 15), Column("bytes", 10, True), Column("", 4, True),
                   Column("", bars), Column("why")]  # fmt: skip
        items = memory_rows(plan.chosen().estimate, bars)
        self.rows.show(items, columns)
        self.rows.styles.height = len(items) + 1
        self.query_one("#detail-lines", Lines).show(memory_lines(plan, self.rows.key or "", width))
