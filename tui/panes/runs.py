"""Runs: every run there is. Watched, gone on with, compared, deleted."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.widget import Widget

from tunewright.engine.run.launch import resume
from tunewright.engine.run.progress import last_step, stage_now
from tunewright.engine.run.rundir import RunDir, known_runs
from tunewright.engine.run.view import view
from tunewright.engine.runs import ComparedRuns, compare_runs, delete_run
from tunewright.hardware.errors import Problem
from tunewright.tui.panes import runs_lines as told
from tunewright.tui.panes.pane import Pane
from tunewright.tui.panes.runs_lines import Listed
from tunewright.tui.screens.text import LongText, box_width
from tunewright.tui.widgets.lines import Lines
from tunewright.tui.widgets.rows import Rows
from tunewright.tui.workbench import Workbench

LOOK_SECONDS = 2.0


class RunsPane(Pane):
    """The list, with what is known of the marked one below it."""

    STEP: ClassVar[str] = "runs"

    DEFAULT_CSS = """
    RunsPane #run-detail { margin-top: 1; max-height: 60%; }
    """

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._runs: dict[str, Listed] | None = None
        self._looking = False
        self._marked: str | None = None
        # Runs that have ended do not change: read once an end.
        self._ended: dict[tuple[Path, float], Listed] = {}

    def compose(self) -> ComposeResult:
        yield Rows(id="runs-list")
        yield Lines(id="run-detail")

    def on_mount(self) -> None:
        self.set_interval(LOOK_SECONDS, self._tick)

    def show(self) -> None:
        self._look()
        self._draw()

    def _tick(self) -> None:
        if self.display:
            self._look()

    def _look(self) -> None:
        if self._looking:
            return
        self._looking = True

        def take(found: list[Listed]) -> None:
            self._looking = False
            self._runs = {one.key: one for one in told.in_order(found)}
            self._draw()
            self.tunewright.show_frame()

        def failed(problem: Problem) -> None:
            self._looking = False
            self.tunewright.notice(problem.what)

        self.in_thread(self._list, take, failed)

    def _list(self) -> list[Listed]:
        found = []
        for run in known_runs():
            try:
                ended = (run.path, run.exit.stat().st_mtime)
            except OSError:
                ended = None
            known = self._ended.get(ended) if ended else None
            one = known or look_at(run)
            if ended and one.view is not None and not one.view.alive:
                self._ended[ended] = one
            found.append(one)
        return found

    def _draw(self) -> None:
        width = max(20, self.size.width - 2)
        runs = self.query_one("#runs-list", Rows)
        runs.display = bool(self._runs)
        rows = [told.run_row(one, self._marked, width) for one in (self._runs or {}).values()]
        runs.show(rows, told.run_columns(width))
        self._draw_detail()

    def _draw_detail(self) -> None:
        detail, one = self.query_one("#run-detail", Lines), self._at
        if self._runs is None:
            detail.show(["looking at the runs"])
        elif not self._runs:
            detail.show(told.no_runs_lines(max(20, self.size.width - 2)))
        elif one is not None:
            detail.show(told.detail_lines(one, max(20, self.size.width - 2)))
        else:
            detail.show([])

    @property
    def _at(self) -> Listed | None:
        key = self.query_one("#runs-list", Rows).key
        return (self._runs or {}).get(key or "")

    def on_rows_moved(self, message: Rows.Moved) -> None:
        self._draw_detail()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def first_focus(self) -> Widget | None:
        return self.query_one("#runs-list", Rows)

    def narrow(self, text: str) -> bool:
        self.query_one("#runs-list", Rows).narrow(text)
        return bool(self._runs)

    def copied(self) -> str | None:
        return str(self._at.run.path) if self._at is not None else None

    # -- commands

    def why_not(self, command: str) -> str | None:
        one = self._at
        if command not in ("attach", "resume", "compare", "mark", "delete"):
            return None
        if self._runs is None:
            return "the runs are still being read; press it again"
        if one is None:
            return "no run matches: esc shows all" if self._runs else "there is no run yet"
        alive = one.view is not None and one.view.alive
        if command == "attach" and one.view is None:
            return "its directory is damaged"
        if command == "resume":
            if one.view is None or one.view.state == "done":
                return "it is done" if one.view else "its directory is damaged"
            return "it works already" if alive else None
        if command == "delete" and alive:
            return "it works; stop it first: enter, then x"
        if command == "compare":
            return self._why_not_compare(one)
        return None

    def _why_not_compare(self, one: Listed) -> str | None:
        if self._marked is None or self._marked not in (self._runs or {}):
            return "mark the other run first: space"
        return "it is the marked one; go to another" if self._marked == one.key else None

    async def do_attach(self) -> None:
        assert self._at is not None
        await self.tunewright.open_run(self._at.run)

    def do_resume(self) -> None:
        assert self._at is not None
        run = self._at.run

        def go_on() -> RunDir:
            resume(run)
            return run

        async def take(resumed: RunDir) -> None:
            await self.tunewright.open_run(resumed)

        self.tunewright.notice("resuming …")
        self.in_thread(go_on, take)

    def do_mark(self) -> None:
        assert self._at is not None
        self._marked = None if self._marked == self._at.key else self._at.key
        self._draw()

    def do_compare(self) -> None:
        one, runs = self._at, self._runs or {}
        assert one is not None
        assert self._marked is not None
        first, second = runs[self._marked].run, one.run

        def take(found: ComparedRuns) -> None:
            names = (first.path.name, second.path.name)
            lines = told.comparison_lines(*names, found, box_width(self.app))
            self.app.push_screen(LongText("two runs side by side", lines))

        self.in_thread(lambda: compare_runs(first, second), take)

    def do_delete(self) -> None:
        assert self._at is not None
        run, key = self._at.run, self._at.key

        def gone(_: None) -> None:
            (self._runs or {}).pop(key, None)
            self.tunewright.notice("deleted")
            self.show()

        self.tunewright.confirm(
            f"Delete {run.path.name} with all its files?",
            f"{run.path}: its checkpoints, adapter and merged model too. This cannot be undone.",
            lambda: self.in_thread(lambda: delete_run(run), gone),
        )


def look_at(run: RunDir) -> Listed:
    """One run as it stands: three small files and the end of its events."""
    try:
        now = view(run)
    except Problem as problem:
        return Listed(run, None, damaged=problem)
    stage = stage_now(run) if now.alive else None
    return Listed(run, now, stage.stage if stage else "", last_step(run))
