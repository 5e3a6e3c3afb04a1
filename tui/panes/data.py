"""Data: what will be learned from. What was found, the rows, and each row as it is trained."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Input

from tunewright.engine.data.example import Example
from tunewright.engine.data.tokens import Loss, Tokens
from tunewright.engine.data.view import Piece, ends_turn, token_pieces, told
from tunewright.engine.plan import Plan
from tunewright.engine.text import plain
from tunewright.hardware.errors import Problem
from tunewright.tui.looking import DataFound, ModelFound
from tunewright.tui.panes.data_lines import found_lines, problem_lines, token_lines
from tunewright.tui.panes.pane import Pane
from tunewright.tui.screens.text import LongText
from tunewright.tui.widgets.folder_field import FolderField
from tunewright.tui.widgets.lines import Lines, wrapped
from tunewright.tui.widgets.rows import Column, Row, Rows
from tunewright.tui.workbench import Workbench

# Rows listed: a list of a million is no list. `/` looks through all that are.
MOST_ROWS = 20_000
MOST_TOKENS = 4_000


class DataPane(Pane):
    """The summary, the rows, and below them the marked row as text or token by token."""

    STEP: ClassVar[str] = "data"

    DEFAULT_CSS = """
    DataPane #data-field { height: auto; display: none; }
    DataPane #data-rows { height: 1fr; margin-top: 1; min-height: 3; }
    DataPane #data-row { height: auto; max-height: 40%; margin-top: 1; }
    """

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._tokens_shown = False
        # Of the marked row, once a thread has made them.
        self._pieces: tuple[str, tuple[Piece, ...], str] | None = None
        self._listed: DataFound | None = None

    def compose(self) -> ComposeResult:
        yield Lines(id="data-found")
        yield Lines(id="data-field")
        yield FolderField(placeholder="a file of rows, or demo:orders", files=True, id="data-path")
        yield Lines(id="data-error")
        yield Rows(
            [Column("row", 7, True), Column("tok", 5, True), Column("asked"), Column("answered")],
            empty="no rows yet: e names a file",
            id="data-rows",
        )
        yield Lines(id="data-row")

    def on_mount(self) -> None:
        self._edit(False)

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

    # -- drawing

    def show(self) -> None:
        lines = found_lines(self.bench, self._width)
        self.query_one("#data-found", Lines).show(lines)
        found = self._found
        if found is not self._listed:
            self._listed, self._pieces = found, None
            self.query_one("#data-rows", Rows).show(_rows(found) if found else [])
        self._draw_row()

    def _draw_row(self) -> None:
        lines, most = self._row_lines(), max(3, self.size.height * 2 // 5)
        self.query_one("#data-row", Lines).show(lines[:most])

    def _row_lines(self) -> list[Text]:
        example = self._marked
        if example is None:
            return []
        if not self._tokens_shown:
            return [
                line
                for message in example.messages
                for line in wrapped(
                    Text()
                    .append(f"{message.role:<10}", "dim")
                    .append(plain(message.content[:2000])),
                    self._width,
                    10,
                )[:2]
            ]
        key = self.query_one("#data-rows", Rows).key
        if self._pieces is None or self._pieces[0] != key:
            self._make_pieces(key, example)
            return [Text("tokens", "dim")]
        return token_lines(self._pieces[1], self._pieces[2], self._width)

    def _make_pieces(self, key: str | None, example: Example) -> None:
        model, loss = self.bench.model, self._loss
        if key is None or not isinstance(model, ModelFound):
            return
        renderer = model.renderer

        def work() -> tuple[str, tuple[Piece, ...], str]:
            tokens: Tokens = renderer.tokenize(example, loss)
            trained = sum(label != -100 for label in tokens.labels)
            stop = ends_turn(tokens, renderer)
            ends = f"the turn ends with {stop}" if stop else "the turn is NOT ended"
            words = (
                f"{len(tokens.input_ids):,} tokens, {trained:,} trained (loss on {loss}); {ends}"
            )
            return key, tuple(token_pieces(tokens, renderer, MOST_TOKENS)), words

        def then(pieces: tuple[str, tuple[Piece, ...], str]) -> None:
            self._pieces = pieces
            if pieces[0] == self.query_one("#data-rows", Rows).key:
                self._draw_row()

        self.in_thread(work, then)

    @property
    def _marked(self) -> Example | None:
        key, found = self.query_one("#data-rows", Rows).key, self._found
        if key is None or found is None:
            return None
        return _example(found, key)

    def on_rows_moved(self) -> None:
        self._draw_row()

    def on_resize(self) -> None:
        self.call_after_refresh(self.show)

    def first_focus(self) -> Widget | None:
        field = self.query_one("#data-path")
        return field if field.display else self.query_one("#data-rows")

    def narrow(self, text: str) -> bool:
        self.query_one("#data-rows", Rows).narrow(text)
        return self._found is not None

    def copied(self) -> str | None:
        example = self._marked
        if example is None:
            return None
        return "\n\n".join(f"{m.role}: {m.content}" for m in example.messages)

    # -- commands

    def why_not(self, command: str) -> str | None:
        found = self._found
        if command == "tokens":
            if self._marked is None:
                return "no row is marked"
            if not isinstance(self.bench.model, ModelFound):
                return "tokens are the model's: 4 chooses one"
        if command == "accept":
            if self.bench.data is None:
                return "the rows are still being read"
            if found is None:
                return "this data cannot be read: p says why, e names another file"
            if isinstance(found.facts, Problem) and isinstance(self.bench.model, ModelFound):
                return "these rows cannot be trained on: p says why"
        return None

    def do_accept(self) -> None:
        self.bench.confirm(self.STEP)
        self.post_message(self.Go("model"))

    def do_tokens(self) -> None:
        self._tokens_shown = not self._tokens_shown
        self._draw_row()

    def do_problems(self) -> None:
        self.app.push_screen(LongText("what was found", problem_lines(self.bench, 72)))

    def do_edit(self) -> None:
        self._edit(True)

    def _edit(self, on: bool) -> None:
        """Open or close the field; what was typed stays in it."""
        field = self.query_one("#data-path")
        hint = self.query_one("#data-field", Lines)
        hint.show([Text("file   tab completes, enter reads it, esc closes", "dim")])
        for widget in (hint, field, self.query_one("#data-error")):
            widget.display = on
        if on:
            self.screen.set_focus(field)

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "data-path":
            event.stop()
            self.query_one("#data-error", Lines).show([])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id != "data-path":
            return
        event.stop()
        path = event.value.strip()
        if not path:
            self._edit(False)
            self.screen.set_focus(self.first_focus())
            return
        inputs = self.bench.inputs

        def work() -> Problem | None:
            from pathlib import Path

            from tunewright.engine.data.read import read_examples
            from tunewright.engine.homes import cache_home
            from tunewright.engine.model import resolve_data

            data = msgspec.structs.replace(
                inputs.data, path=path, eval_path=None, fingerprint=None, eval_fingerprint=None
            )
            try:
                read_examples(resolve_data(data, Path.cwd(), cache_home())[0], data.format)
            except Problem as problem:
                return problem
            return None

        def then(problem: Problem | None) -> None:
            if problem is not None:
                error = self.query_one("#data-error", Lines)
                told_lines = [f"! {problem.what}", *problem.why.splitlines()[:4], problem.cure]
                error.show([x for line in told_lines for x in wrapped(plain(line), self._width, 2)])
                return
            self._edit(False)
            self.bench.use_data(path)
            self.post_message(self.Changed())
            self.screen.set_focus(self.first_focus())

        self.in_thread(work, then)

    def back(self) -> bool:
        if self.query_one("#data-path").display:
            self._edit(False)
            self.screen.set_focus(self.query_one("#data-rows"))
            return True
        if self._tokens_shown:
            self.do_tokens()
            return True
        return False


def _rows(found: DataFound) -> list[Row]:
    """Training rows first, then the held-out ones, up to `MOST_ROWS`."""
    rows = []
    train = len(found.rows.train)
    for at in range(min(MOST_ROWS, train + len(found.rows.held))):
        held = at >= train
        key = f"held {at - train + 1}" if held else str(at + 1)
        length = f"{found.lengths[at]:,}" if at < len(found.lengths) else ""
        example = found.rows.held[at - train] if held else found.rows.train[at]
        rows.append(Row(key, (key, length, *told(example))))
    return rows


def _example(found: DataFound, key: str) -> Example:
    name, _, number = key.rpartition(" ")
    rows = found.rows.held if name else found.rows.train
    return rows[int(number) - 1]
