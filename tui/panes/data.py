"""Data: what will be learned from. What was found, the rows, and each row as it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget

from tunewright.engine.data.example import Finding, Place
from tunewright.engine.data.tokens import Loss
from tunewright.engine.plan import Plan
from tunewright.engine.text import counted, plain
from tunewright.hardware.errors import Problem
from tunewright.tui.looking import DataFound, ModelFound
from tunewright.tui.panes.data_field import DataField, tried
from tunewright.tui.panes.data_lines import (
    found_lines,
    look_lines,
    problem_lines,
    token_lines,
    turn_lines,
)
from tunewright.tui.panes.data_look import MOST_FOUND, DataLook
from tunewright.tui.panes.data_seen import Seen
from tunewright.tui.panes.data_tokens import RowTokens, tokens_of
from tunewright.tui.panes.pane import MOST_COPIED, Pane
from tunewright.tui.screens.text import LongText
from tunewright.tui.widgets.lines import Lines
from tunewright.tui.widgets.long_rows import LongRows
from tunewright.tui.widgets.rows import Column, Row
from tunewright.tui.workbench import Workbench

# Lines for the list and the row below it that are not taken away by what is said above them.
_LIST_LINES = 14


class DataPane(Pane):
    """The summary, the rows, and below them the marked row as text or token by token."""

    STEP: ClassVar[str] = "data"

    DEFAULT_CSS = """
    DataPane #data-rows { height: 1fr; margin-top: 1; min-height: 3; }
    DataPane #data-row { height: auto; max-height: 40%; margin-top: 1; }
    """

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._tokens_shown = False
        self._tokens: RowTokens | None = None
        # Long rows that are being read.
        self._coming: set[int] = set()
        # The data that is looked at, and who looks.
        self._looked: tuple[object, ...] | None = None
        self._look: DataLook | None = None
        # The finding whose rows are listed, or the numbers that a search gave.
        self._shown: Finding | None = None
        self._searched: tuple[str, Sequence[int]] | None = None
        self._listed: DataFound | None = None

    def compose(self) -> ComposeResult:
        yield Lines(id="data-found")
        yield DataField()
        yield LongRows(
            [Column("row", 9, True), Column("tok", 5, True), Column("asked"), Column("answered")],
            empty="no rows yet: e names a file",
            id="data-rows",
        )
        yield Lines(id="data-row")

    def on_unmount(self) -> None:
        if self._look is not None:
            self._look.stop()

    @property
    def _rows(self) -> LongRows:
        return self.query_one("#data-rows", LongRows)

    @property
    def _found(self) -> DataFound | None:
        return self.bench.data if isinstance(self.bench.data, DataFound) else None

    @property
    def _width(self) -> int:
        return max(20, (self.size.width or self.app.size.width) - 2)

    @property
    def _loss(self) -> Loss:
        """On what the loss is: as planned, else as the rows suggest."""
        if isinstance(self.bench.plan, Plan):
            loss: Loss = self.bench.plan.value("loss.on")
            return loss
        return "completion"

    # -- looking

    def _look_at_rows(self) -> None:
        """Index and check the rows of the bench's data, unless that is done or under way."""
        data, base = self.bench.inputs.data, self.bench.base
        now = (data.path, data.eval_path, data.format, base, _changed(base / data.path))
        if now == self._looked:
            return
        self._looked = now
        if self._look is not None:
            self._look.stop()
        look = self._look = DataLook(data, base)
        self._shown = self._searched = self._tokens = None
        self._coming.clear()
        # The rows of the data before are not these.
        self._list()

        def told(_: object = None) -> None:
            if look is self._look:
                self._list()
                self._draw_found()

        def tell() -> None:
            self.tunewright.from_thread(told)

        def opened(_: None) -> None:
            told()
            self.in_thread(lambda: look.build(tell), told)
            self.in_thread(lambda: look.check(tell), told)

        self.in_thread(look.open, opened)

    def _list(self) -> None:
        """List the rows that are wanted now."""
        look, rows = self._look, self._rows
        if look is None or look.index is None:
            rows.show_numbers(range(0), self._row)
        elif self._searched is not None:
            rows.show_numbers(self._searched[1], self._row)
        elif self._shown is not None:
            rows.show_numbers(look.rows_of(self._shown.id), self._row)
        else:
            rows.show_numbers(range(len(look.index)), self._row)

    def _row(self, number: int) -> Row:
        look = self._look
        assert look is not None
        try:
            seen = look.brief(number)
        except (IndexError, OSError, Problem):
            return Row(str(number), (f"{number + 1:,}", "", "gone: the file has changed", ""))
        if seen.coming:
            self._fetch(number)
            return Row(str(number), (f"{number + 1}", "", "reading", seen.answered))
        length, held = self._measured(seen.place)
        mark = "held " if held or seen.held else ""
        told = f"! {plain(seen.wrong)}" if seen.wrong else seen.asked
        cells = (f"{mark}{number + 1}", f"{length:,}" if length else "", told, seen.answered)
        return Row(str(number), cells)

    def _fetch(self, number: int) -> None:
        """Have a long row read elsewhere, and listed when that is done."""
        look = self._look
        if look is None or number in self._coming:
            return
        self._coming.add(number)

        def then(_: None) -> None:
            if look is self._look and not look.stopped:
                self._coming.discard(number)
                self._list()
                self._draw_row()

        self.in_thread(lambda: look.fetch(number), then)

    def _measured(self, place: Place) -> tuple[int, bool]:
        """The tokens of a row, 0 where it was not measured, and whether it is held out."""
        found = self._found
        if found is None:
            return 0, False
        lengths = found.lengths
        number = found.train.find(place)
        held = number is None
        if number is None and (number := found.held.find(place)) is not None:
            number += len(found.train)
        if number is None:
            return 0, False
        return (lengths[number] if number < len(lengths) else 0), held

    # -- drawing

    def show(self) -> None:
        self._look_at_rows()
        if self._found is not self._listed:
            # By now it is known how long rows are, and which are held out.
            self._listed = self._found
            self._list()
        self._draw_found()
        self._draw_row()

    def _draw_found(self) -> None:
        found = len(self._rows._rows) if self._shown is not None else 0
        about = found_lines(self.bench, self._width)
        listed = look_lines(self._look, self._shown, found, self._width)
        if self._searched is not None:
            text, numbers = self._searched
            some = "the first " if len(numbers) == MOST_FOUND else ""
            listed.append(Text(f"only “{plain(text)}”: {some}{counted(len(numbers), 'row')}"))
        if self._tokens_shown or self._shown is not None or self._searched is not None:
            # On a small screen the rows that were asked for have the room.
            about = about[: max(1, self.size.height - _LIST_LINES - len(listed))]
        self.query_one("#data-found", Lines).show([*about, *listed])

    def _draw_row(self) -> None:
        self.query_one("#data-row", Lines).show(self._row_lines()[: self._most_lines])

    @property
    def _most_lines(self) -> int:
        """Lines that the box below the list has room for."""
        return max(3, self.size.height * 2 // 5)

    def _row_lines(self) -> list[Text]:
        number, seen = self._rows.number, self._marked
        if number is None or seen is None:
            return []
        if seen.coming:
            self._fetch(number)
            return [Text(f"reading {seen.answered}", "dim")]
        if not self._tokens_shown or seen.normal is None or seen.normal.text is not None:
            return turn_lines(seen, self._width)
        if self._tokens is None or self._tokens.number != number:
            self._make_tokens(number, seen)
            return [Text("tokens", "dim")]
        return [
            line
            for pieces, words in self._tokens.sides
            for line in token_lines(pieces, words, self._width, self._most_lines)
        ]

    def _make_tokens(self, number: int, seen: Seen) -> None:
        model, loss = self.bench.model, self._loss
        if not isinstance(model, ModelFound):
            return
        renderer = model.renderer

        def then(tokens: RowTokens) -> None:
            self._tokens = tokens
            if tokens.number == self._rows.number:
                self._draw_row()

        self.in_thread(lambda: tokens_of(number, seen, renderer, loss), then)

    @property
    def _marked(self) -> Seen | None:
        number = self._rows.number
        if number is None or self._look is None:
            return None
        try:
            return self._look.row(number)
        except (IndexError, OSError, Problem):
            return None

    def on_rows_moved(self) -> None:
        self._draw_row()

    def first_focus(self) -> Widget | None:
        edit = self.query_one(DataField)
        return edit.field if edit.display else self._rows

    def narrow(self, text: str) -> bool:
        look = self._look
        if look is None or look.index is None or not len(look.index):
            return False
        index = look.index
        if text == (self._searched[0] if self._searched else ""):
            # Asked with every key, to know whether there is anything to find.
            return True
        if not text:
            self._searched = None
            self._list()
            self._draw_found()
            return True
        self._searched = (text, self._searched[1] if self._searched else ())

        def then(numbers: list[int]) -> None:
            # Only the last of several searches counts.
            if look is self._look and self._searched is not None and self._searched[0] == text:
                self._searched = (text, numbers)
                self._list()
                self._draw_found()

        self.in_thread(lambda: index.search(text, MOST_FOUND), then)
        return True

    def copied(self) -> str | None:
        seen = self._marked
        if seen is None or seen.normal is None:
            return None
        if seen.normal.text is not None:
            return seen.normal.text[: MOST_COPIED + 1]
        turns = (*seen.normal.messages, *seen.normal.chosen)
        return "\n\n".join(f"{m.role}: {m.content[: MOST_COPIED + 1]}" for m in turns)

    # -- commands

    def why_not(self, command: str) -> str | None:
        found = self._found
        if command == "tokens":
            seen = self._marked
            if seen is None:
                return "no row is marked"
            if seen.coming:
                return "this row is still being read"
            if seen.normal is None:
                return "this row is wrong: p says why"
            if not isinstance(self.bench.model, ModelFound):
                return "tokens are the model's: 4 chooses one"
        if command in ("finding", "finding_before") and (
            self._look is None or not self._look.with_rows()
        ):
            return "nothing was found in single rows"
        if command == "accept":
            if self.bench.data is None:
                return "the rows are still being read"
            if found is None:
                return "this data cannot be trained on: p says why, e names another file"
            if isinstance(found.facts, Problem) and isinstance(self.bench.model, ModelFound):
                return "these rows cannot be trained on: p says why"
        return None

    def do_accept(self) -> None:
        self.bench.confirm(self.STEP)
        self.post_message(self.Go("model"))

    def do_tokens(self) -> None:
        self._tokens_shown = not self._tokens_shown
        self._draw_found()
        self._draw_row()

    def do_problems(self) -> None:
        lines = problem_lines(self.bench, 70, self._look)
        self.app.push_screen(LongText("what was found", lines))

    def do_finding(self) -> None:
        self._turn_finding(1)

    def do_finding_before(self) -> None:
        self._turn_finding(-1)

    def _turn_finding(self, by: int) -> None:
        """List the rows of the next finding; after the last one all rows again."""
        if self._look is None:
            return
        found: list[Finding | None] = [None, *self._look.with_rows()]
        ids = [None if f is None else f.id for f in found]
        now = None if self._shown is None else self._shown.id
        at = ids.index(now) if now in ids else 0
        self._shown = found[(at + by) % len(found)]
        self._list()
        self._draw_found()
        self._draw_row()

    def do_edit(self) -> None:
        self._edit(True)

    def _edit(self, on: bool) -> None:
        """Open or close the field; what was typed stays in it."""
        self.query_one(DataField).display = on
        self.screen.set_focus(self.first_focus())

    def on_data_field_closed(self) -> None:
        self._edit(False)

    def on_data_field_named(self, event: DataField.Named) -> None:
        path = event.path

        def then(problem: Problem | None) -> None:
            if problem is not None:
                self.query_one(DataField).say(problem, self._width)
                return
            self.bench.use_data(path)
            self.post_message(self.Changed())
            self._edit(False)

        self.in_thread(lambda: tried(self.bench, path), then)

    def back(self) -> bool:
        if self.query_one(DataField).display:
            self._edit(False)
            return True
        if self._tokens_shown:
            self.do_tokens()
            return True
        if self._shown is not None:
            self._shown = None
            self._list()
            self.show()
            return True
        return False


def _changed(path: Path) -> float | None:
    """When a file was changed last, so that it is looked at anew; None for what is no file."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None
