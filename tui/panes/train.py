"""Train: the run, live: launched, watched, held, stopped, gone on with. The run never waits for it.

Once a second a thread reads what the run has written since; this thread draws what is new of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from tunewright.engine.plan import Plan
from tunewright.engine.run import control
from tunewright.engine.run.changes import Changes
from tunewright.engine.run.events import Answered
from tunewright.engine.run.progress import RunProgress
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.text import place, plain
from tunewright.hardware.errors import Problem
from tunewright.tui.cures import on_screen
from tunewright.tui.panes.pane import Pane
from tunewright.tui.panes.train_answers import Looked, all_answer_lines
from tunewright.tui.panes.train_head import head_lines
from tunewright.tui.panes.train_launch import Launching
from tunewright.tui.panes.train_log import log_lines
from tunewright.tui.panes.train_notable import why_lines
from tunewright.tui.panes.train_orders import Orders
from tunewright.tui.panes.train_ready import ready_lines, unplanned_lines, unread_lines
from tunewright.tui.panes.train_reasons import Standing, standing, why_not
from tunewright.tui.panes.train_room import HIGH, WIDE, foot_lines, newest_answers
from tunewright.tui.panes.train_watching import Watching
from tunewright.tui.screens.text import LongText, box_width
from tunewright.tui.watched import LOSS, SERIES, Watched
from tunewright.tui.widgets.curve import LEAST_HEIGHT, Curve
from tunewright.tui.widgets.lines import Lines
from tunewright.tui.widgets.plot import Plot, View
from tunewright.tui.widgets.pyramid import Pyramid
from tunewright.tui.workbench import Workbench

LOOK_SECONDS = 1.0

# Cells of what the run says, beside the curves.
_SIDE = 42


class TrainPane(Pane):
    """What will be launched, or the run: its state, its curves, its figures, how it ended."""

    STEP: ClassVar[str] = "train"

    DEFAULT_CSS = f"""
    TrainPane #train-charts {{ width: 1fr; }}
    TrainPane #train-body {{ height: 1fr; }}
    TrainPane #train-side {{ width: {_SIDE}; height: 1fr; padding-left: 2; }}
    TrainPane #train-foot {{ max-height: 50%; }}
    """

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._watching = Watching(self, self._heard, self._draw_preview)
        self._launching = Launching(self, self._found)
        self._orders = Orders(self)
        self._previewed = False
        self._looked = Looked()
        self._view = View()
        self._series = LOSS

    def compose(self) -> ComposeResult:
        plain_ascii = self.tunewright.plain_ascii
        yield Lines(id="train-head")
        with Horizontal(id="train-body"):
            with Vertical(id="train-charts"):
                yield Curve(id="train-curve", ascii=plain_ascii)
                yield Curve(id="train-second", ascii=plain_ascii)
            yield Lines(id="train-side")
        yield Lines(id="train-foot")

    def on_mount(self) -> None:
        self.set_interval(LOOK_SECONDS, self._tick)

    def _found(self) -> None:
        """Something is known of what could be launched, or is."""
        self.show()
        self.tunewright.show_frame()

    # -- what is shown

    def show(self) -> None:
        run, known = self.tunewright.run_shown(), self._run
        if run is not None and (known is None or run.path != known.path):
            self._open(run)
        elif run is None:
            self._watching.close()
        self._draw()

    @property
    def _run(self) -> RunDir | None:
        return self._watching.run

    @property
    def _watched(self) -> Watched | None:
        return self._watching.watched

    @property
    def reading(self) -> bool:
        watching = self._watching
        return self._run is not None and watching.watched is None and watching.trouble is None

    def _open(self, run: RunDir) -> None:
        self._previewed = False
        self._launching.said = ""
        self._looked = Looked()
        self._watching.open(run)

    def _draw_preview(self, steps: Sequence[float], losses: Sequence[float]) -> None:
        """Some steps of a long run, before all of it is read."""
        self._previewed = True
        sample = Pyramid()
        sample.extend(steps, losses)
        curve = self.query_one("#train-curve", Curve)
        curve.display = True
        curve.show_plot(Plot(f"loss, {len(sample):,} samples; reading all of it", sample))

    def _tick(self) -> None:
        watched = self._watched
        live = self.display and watched is not None and not watched.over
        if live and self.tunewright.live_due("run"):
            self._watching.look()

    def _heard(self, answers: list[Answered]) -> None:
        """Something new is known of the run."""
        self._orders.tell(answers)
        self._draw()
        self.tunewright.show_frame()

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        width, height = max(20, self.size.width - 2), self.size.height
        watched = self._watched
        if watched is None or watched.progress.view is None:
            self._draw_nothing(width)
            return
        now, session = watched.progress, watched.session
        stages = now.stages(session)
        head = head_lines(now, session, stages, width)
        self.query_one("#train-head", Lines).show(head)
        wide = width >= WIDE and height >= HIGH
        self._draw_curves(watched, wide)
        foot = foot_lines(watched, self._looked, width, height)
        lines = self.query_one("#train-foot", Lines)
        lines.show(foot)
        # Where no curve has room beside how it ended, its one line of numbers is enough.
        rest = height - len(head) - len(foot)
        lines.styles.max_height = "50%" if rest >= LEAST_HEIGHT else height - len(head) - 1

    def _draw_nothing(self, width: int) -> None:
        self.query_one("#train-curve").display = self._run is not None and self._previewed
        for id in ("#train-second", "#train-side"):
            self.query_one(id).display = False
        self.query_one("#train-foot", Lines).show([])
        head = self.query_one("#train-head", Lines)
        plan = self.bench.plan
        trouble = self._watching.trouble
        if self.reading:
            assert self._run is not None
            head.show([Text(f"reading {plain(self._run.path.name)}", "dim")])
        elif self._launching.said:
            head.show([Text(self._launching.said, "bold")])
        elif trouble is not None:
            head.show(unread_lines(trouble, self.why_not("launch") is None, width))
        elif isinstance(plan, Plan):
            ready = self._launching
            ready.look_at(plan)
            trouble = on_screen(ready.trouble) if ready.trouble is not None else None
            head.show(ready_lines(self.bench.session, plan, trouble, ready.warning, width))
        else:
            head.show(unplanned_lines(self.bench.trouble(), width))

    def _draw_curves(self, watched: Watched, wide: bool) -> None:
        now = watched.progress
        first = self.query_one("#train-curve", Curve)
        second = self.query_one("#train-second", Curve)
        side = self.query_one("#train-side", Lines)
        stepped = bool(now.curves.step)
        first.display, second.display = stepped, stepped and wide
        # Without a curve the answers of the base model have the room.
        side.display = wide or not stepped
        side.styles.width = _SIDE if stepped else "1fr"
        side.styles.padding = (0, 0, 0, 2 if stepped else 0)
        if stepped:
            shown = LOSS if wide else self._series
            first.show_plot(watched.plot(shown, self._view))
            if wide:
                other = SERIES[1] if self._series == LOSS else self._series
                second.show_plot(
                    watched.plot(other, msgspec.structs.replace(self._view, log=False))
                )
        if side.display:
            side.show(self._side_lines(now, stepped))

    def _side_lines(self, now: RunProgress, stepped: bool) -> list[Text]:
        height = self.query_one("#train-body").size.height
        if stepped:
            return log_lines(now, _SIDE - 3)[-max(1, height) :]
        return newest_answers(now, max(20, self.size.width - 2), height)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    # -- the frame's questions

    def gauged(self) -> Plan | Problem | None:
        return self._watched.session.plan if self._watched is not None else self.bench.plan

    def first_focus(self) -> Widget | None:
        return None

    def back(self) -> bool:
        if self.tunewright.attach is None:
            return False
        self.tunewright.call_later(self.tunewright.open_run, None)
        return True

    def copied(self) -> str | None:
        if self._run is None:
            return None
        watched = self._watched
        ended = watched.progress.view.ended if watched and watched.progress.view else None
        return ended.cure if ended is not None and ended.cure else str(self._run.path)

    def why_not(self, command: str) -> str | None:
        return why_not(command, self._standing())

    def _standing(self) -> Standing:
        return standing(
            self._watched.progress if self._watched is not None else None,
            self._looked,
            # One that cannot be read does not stand in the way of the session's next one.
            has_run=self._run is not None
            and (self._watching.trouble is None or self.tunewright.attach is not None),
            attached=self.tunewright.attach is not None,
            starting=bool(self._launching.said),
            no_start=self._launching.why_not(),
        )

    # -- commands

    def do_launch(self) -> None:
        self._launching.launch()

    def do_anew(self) -> None:
        self.tunewright.confirm(
            "Launch the session once more?",
            "It becomes a run of its own. The one that is shown stays in the list of runs (9).",
            self.do_launch,
        )

    def do_resume(self) -> None:
        run = self._run
        assert run is not None
        self._launching.resume(run, lambda: self._open(run))

    def do_prove(self) -> None:
        # Another session's run says nothing of this one's path.
        if self.tunewright.attach is None:
            self.bench.confirm("train")
        self.post_message(self.Go("prove"))

    def do_checkpoint(self) -> None:
        self._ask("checkpoint")

    def do_pause(self) -> None:
        self._ask("pause")

    def do_unpause(self) -> None:
        self._ask("unpause")

    def do_stop(self) -> None:
        self.tunewright.confirm(
            "Stop this run?",
            "It writes a checkpoint and ends. r goes on from there, with the losses of a run that "
            "was never stopped.",
            lambda: self._ask("stop"),
        )

    def _ask(self, verb: control.Verb) -> None:
        assert self._run is not None
        self._orders.ask(self._run, verb)

    def do_zoom(self) -> None:
        self._view = self._view.next_zoom()
        self._draw()

    def do_log_scale(self) -> None:
        self._view = msgspec.structs.replace(self._view, log=not self._view.log)
        self._draw()

    def do_series(self) -> None:
        self._series = SERIES[(SERIES.index(self._series) + 1) % len(SERIES)]
        self._draw()

    def do_sample_row(self) -> None:
        self._look_at(lambda changes: self._looked.next_row(changes))

    def do_sample_earlier(self) -> None:
        self._look_at(lambda changes: self._looked.step(1, changes))

    def do_sample_later(self) -> None:
        self._look_at(lambda changes: self._looked.step(-1, changes))

    def _look_at(self, which: Callable[[Changes], Looked]) -> None:
        assert self._watched is not None
        self._looked = which(self._watched.progress.changes)
        self._draw()
        self.tunewright.show_frame()

    def do_answers(self) -> None:
        assert self._watched is not None
        now = self._watched.progress
        lines = all_answer_lines(now.answers, now.changes, box_width(self.app))
        self.app.push_screen(LongText("answers to held-out rows", lines))

    def do_log(self) -> None:
        assert self._watched is not None
        lines = log_lines(self._watched.progress, box_width(self.app))
        file = place(self._watched.run.log)
        self.app.push_screen(LongText(f"log; all output: {file}", lines, at_end=True))

    def do_why(self) -> None:
        watched = self._watched
        assert watched is not None
        moments, plan = watched.moments(), watched.session.plan
        lines = why_lines(moments, watched.progress, plan, box_width(self.app))
        self.app.push_screen(LongText("what is notable", lines))

    def do_leave(self) -> None:
        self.app.exit(0)
