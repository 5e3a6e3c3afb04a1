"""Train: the run, live: launched, watched, held, stopped, gone on with. The run never waits for it.

Once a second a thread reads what the run has written since; this thread draws what is new of it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from tunewright.engine.plan import Plan
from tunewright.engine.ready import check_ready
from tunewright.engine.run import control
from tunewright.engine.run.client import ask
from tunewright.engine.run.events import HANDED_ON, Answered
from tunewright.engine.run.launch import launch, resume
from tunewright.engine.run.progress import Look, RunProgress, preview
from tunewright.engine.run.rundir import LaunchOptions, RunDir
from tunewright.engine.run.view import RunState
from tunewright.engine.text import plain
from tunewright.hardware.errors import Problem
from tunewright.hardware.host import logout_kills
from tunewright.tui.panes import train_lines as told
from tunewright.tui.panes.pane import Pane
from tunewright.tui.screens.text import LongText, box_width
from tunewright.tui.watched import LOSS, SERIES, Watched
from tunewright.tui.widgets.curve import LEAST_HEIGHT, Curve
from tunewright.tui.widgets.lines import Lines
from tunewright.tui.widgets.plot import Plot, View
from tunewright.tui.widgets.pyramid import Pyramid
from tunewright.tui.workbench import Workbench

LOOK_SECONDS = 1.0

# The pane has room for a second curve and for what the run says from here on.
WIDE, HIGH = 110, 30
_SIDE = 42

_OVER: tuple[RunState, ...] = ("done", "stopped", "failed", "crashed")


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
        self._run: RunDir | None = None
        self._watched: Watched | None = None
        self._looking = False
        self._looking_closer = False
        self._previewed = False
        self._launching = ""
        self._ready: tuple[Plan | None, Problem | None, str] = (None, None, "")
        self._checking = False
        self._view = View()
        self._series = LOSS
        self._asked: dict[str, str] = {}

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

    # -- what is shown

    def show(self) -> None:
        run = self.tunewright.run_shown()
        if run is not None and (self._run is None or run.path != self._run.path):
            self._open(run)
        elif run is None:
            self._run = self._watched = None
        self._draw()

    def _open(self, run: RunDir) -> None:
        """Read a run from its start, in a thread; of a long one a preview is drawn first."""
        self._run, self._watched, self._looking = run, None, False
        self._previewed = False
        self._launching = ""

        def read() -> Watched:
            steps, losses = preview(run)
            if steps:
                self.tunewright.from_thread(self._draw_preview, run, steps, losses)
            return Watched(run)

        def take(watched: Watched) -> None:
            if self._run is run:
                self._watched = watched
                self._heard()
            self.tunewright.run_is_read()

        self.in_thread(read, take)

    def _draw_preview(self, run: RunDir, steps: Any, losses: Any) -> None:
        if self._run is not run:
            return
        self._previewed = True
        sample = Pyramid()
        sample.extend(steps, losses)
        curve = self.query_one("#train-curve", Curve)
        curve.display = True
        curve.show_plot(Plot(f"loss, {len(sample):,} samples; reading all of it", sample))

    def _tick(self) -> None:
        watched = self._watched
        if not self.display or watched is None or watched.over or self._looking:
            return
        if not self.tunewright.live_due("run"):
            return
        self._looking = True

        def take(look: Look) -> None:
            self._looking = False
            if self._watched is watched:
                for _, batch in look.told:
                    self._answered([e for e in batch.rare if isinstance(e, Answered)])
                watched.take(look)
                self._heard()

        self.in_thread(watched.progress.look, take)

    @property
    def reading(self) -> bool:
        return self._run is not None and self._watched is None

    def _heard(self) -> None:
        """Something new is known of the run."""
        watched = self._watched
        if watched is not None and watched.over:
            self.tunewright.run_over(watched.run)
        self._draw()
        self.tunewright.show_frame()
        if watched is not None and not self._looking_closer:
            self._look_closer(watched)

    def _look_closer(self, watched: Watched) -> None:
        """Find what is notable of a long run a little at a time, once its curve is drawn."""
        more = self._watched is watched and watched.look_closer()
        if more:
            self.set_timer(0.01, lambda: self._look_closer(watched))
        elif self._looking_closer:
            self._draw()
        self._looking_closer = more

    def _answered(self, answers: list[Answered]) -> None:
        for answer in answers:
            # That it was handed on says less than what was said when it was asked.
            if self._asked.get(answer.id) == answer.command and answer.answer != HANDED_ON:
                self.tunewright.notice(f"{answer.command}: {plain(answer.answer)}")

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
        head = told.head_lines(now, session, stages, width)
        self.query_one("#train-head", Lines).show(head)
        wide = width >= WIDE and height >= HIGH
        self._draw_curves(watched, wide)
        foot = self._foot(watched, width, height, wide)
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
        if self._run is not None:
            head.show([Text(f"reading {plain(self._run.path.name)}", "dim")])
        elif self._launching:
            head.show([Text(self._launching, "bold")])
        elif isinstance(plan, Plan):
            self._check_ready(plan)
            _, trouble, warning = self._ready
            head.show(told.ready_lines(self.bench.session, plan, trouble, warning, width))
        else:
            head.show(told.unplanned_lines(self.bench.trouble(), width))

    def _check_ready(self, plan: Plan) -> None:
        """Find out, once a plan and in a thread, what would keep it from being launched."""
        if self._ready[0] == plan or self._checking:
            return
        self._checking = True
        session = self.bench.session

        def check() -> tuple[Plan, Problem | None, str]:
            trouble = logout_kills()
            warning = f"{trouble.what}; {trouble.cure}" if trouble else ""
            try:
                check_ready(session, None)
            except Problem as problem:
                return plan, problem, warning
            return plan, None, warning

        def take(ready: tuple[Plan, Problem | None, str]) -> None:
            self._checking, self._ready = False, ready
            self.show()
            self.tunewright.show_frame()

        self.in_thread(check, take)

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
        if stepped:
            lines = told.log_lines(now, _SIDE - 3)
            return lines[-max(1, self.query_one("#train-body").size.height) :]
        width = max(20, self.size.width - 2)
        height = self.query_one("#train-body").size.height
        lines = [Text()]
        for answer in reversed(now.answers):
            lines += [*told.answer_lines(answer, width), Text()]
            if len(lines) >= height:
                break
        if len(lines) > 1:
            lines[0] = Text("answers so far, newest first", "dim")
        return lines[: max(1, height)]

    def _foot(self, watched: Watched, width: int, height: int, wide: bool) -> list[Text]:
        now = watched.progress
        plan = watched.session.plan
        ending = told.ending_lines(now, width)
        lines = told.number_lines(now, width)
        if height < 12:
            return (ending or lines)[:3]
        if ending and height < 18:
            return [*lines, *ending]
        more = [told.memory_line(now, plan, width), told.checkpoint_line(now, plan, width)]
        lines += [line for line in more if line is not None]
        notable = told.notable_line(watched.moments(), now, width)
        lines += [notable] if notable is not None else []
        if ending:
            return [*lines, *ending]
        if height >= 18 and now.curves.step and now.answers:
            lines += told.answer_lines(now.answers[-1], width)
        return lines

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

    @property
    def _state(self) -> RunState | None:
        view = self._watched.progress.view if self._watched is not None else None
        return view.state if view is not None else None

    def why_not(self, command: str) -> str | None:
        reasons: dict[str, Callable[[], str | None]] = {
            "launch": self._why_not_launch,
            "anew": self._why_not_anew,
            "prove": lambda: None if self._state == "done" else "the run is not done",
            "resume": self._why_not_resume,
            "checkpoint": self._why_not_checkpoint,
            "pause": lambda: self._why_not_ask(("running",)),
            "unpause": lambda: None if self._state == "paused" else "it is not paused",
            "stop": lambda: self._why_not_ask(("starting", "running", "paused")),
            "answers": lambda: self._why_not_see("answers", "no held-out row is answered yet"),
            "log": lambda: self._why_not_see("log", "the run has said nothing yet"),
            "leave": lambda: None,
        }
        if command in reasons:
            return reasons[command]()
        if command in ("zoom", "log_scale", "series"):
            has = self._watched is not None and self._watched.progress.curves.step
            return None if has else "no step was taken yet"
        if command == "why":
            return None if self._watched is not None else "there is no run yet"
        return None

    def _why_not_launch(self) -> str | None:
        if self._run is not None:
            return "it is launched already"
        return self._why_not_start()

    def _why_not_start(self) -> str | None:
        if self._launching:
            return "it is being launched"
        plan, trouble, _ = self._ready
        if not isinstance(self.bench.plan, Plan):
            return "there is no plan yet"
        return trouble.what if trouble is not None and plan == self.bench.plan else None

    def _why_not_anew(self) -> str | None:
        if self._run is None:
            return "enter launches it"
        if self.tunewright.attach is not None:
            return "this run is not of the session on the bench; esc goes back"
        if self._state is None:
            return "its run is still being read"
        if self._state not in _OVER:
            return "its run still works"
        return self._why_not_start()

    def _why_not_resume(self) -> str | None:
        if self._state in ("stopped", "failed", "crashed"):
            return "it is being resumed" if self._launching else None
        return "there is no run to go on with" if self._state is None else f"it is {self._state}"

    def _why_not_ask(self, states: tuple[RunState, ...]) -> str | None:
        if self._state is None:
            return "there is no run yet"
        return None if self._state in states else f"the run is {self._state}"

    def _why_not_checkpoint(self) -> str | None:
        if self._watched is None or self._state != "running":
            return self._why_not_ask(("running",))
        stage = self._watched.progress.started
        training = stage is not None and stage.stage == "train"
        return None if training else "only training writes checkpoints"

    def _why_not_see(self, what: str, none: str) -> str | None:
        return None if self._watched and getattr(self._watched.progress, what) else none

    # -- commands

    def do_launch(self) -> None:
        session, base = self.bench.session, self.bench.base
        self._launching = "launching …"

        def start() -> RunDir | Problem:
            try:
                check_ready(session, None)
                return launch(session, base, LaunchOptions())
            except Problem as problem:
                return problem

        def take(run: RunDir | Problem) -> None:
            self._launching = ""
            if isinstance(run, Problem):
                self.tunewright.trouble(run)
            else:
                self.bench.launched(run)
            self.tunewright.show_all()

        self.in_thread(start, take)
        self._draw()

    def do_anew(self) -> None:
        self.tunewright.confirm(
            "Launch the session once more?",
            "It becomes a run of its own. The one that is shown stays in the list of runs (9).",
            self.do_launch,
        )

    def do_resume(self) -> None:
        run = self._run
        assert run is not None
        self._launching = "resuming …"

        def start() -> Problem | None:
            try:
                resume(run)
            except Problem as problem:
                return problem
            return None

        def take(problem: Problem | None) -> None:
            self._launching = ""
            if problem is not None:
                self.tunewright.trouble(problem)
            else:
                self._open(run)
            self.tunewright.show_all()

        self.in_thread(start, take)

    def do_prove(self) -> None:
        self.bench.confirm("train")
        self.post_message(self.Go("prove"))

    def do_checkpoint(self) -> None:
        self._ask("checkpoint", "asked for a checkpoint: it is written after this step")

    def do_pause(self) -> None:
        self._ask("pause", "asked to pause: it holds after this step, and keeps its memory")

    def do_unpause(self) -> None:
        self._ask("unpause", "asked to go on")

    def do_stop(self) -> None:
        self.tunewright.confirm(
            "Stop this run?",
            "It writes a checkpoint and ends. r goes on from there, with the losses of a run that "
            "was never stopped.",
            lambda: self._ask("stop", "asked to stop: a checkpoint is written first"),
        )

    def _ask(self, verb: control.Verb, said: str) -> None:
        run = self._run
        assert run is not None

        def take(id: str) -> None:
            self._asked[id] = verb
            self.tunewright.notice(said)

        self.in_thread(lambda: ask(run, verb, "the screen"), take)

    def do_zoom(self) -> None:
        self._view = self._view.next_zoom()
        self._draw()

    def do_log_scale(self) -> None:
        self._view = msgspec.structs.replace(self._view, log=not self._view.log)
        self._draw()

    def do_series(self) -> None:
        self._series = SERIES[(SERIES.index(self._series) + 1) % len(SERIES)]
        self._draw()

    def do_answers(self) -> None:
        assert self._watched is not None
        lines = told.all_answer_lines(self._watched.progress.answers, box_width(self.app))
        self.app.push_screen(LongText("answers to held-out rows", lines))

    def do_log(self) -> None:
        assert self._watched is not None
        lines = told.log_lines(self._watched.progress, box_width(self.app))
        file = _short(self._watched.run.log)
        self.app.push_screen(LongText(f"log; all output: {file}", lines, at_end=True))

    def do_why(self) -> None:
        watched = self._watched
        assert watched is not None
        moments, plan = watched.moments(), watched.session.plan
        lines = told.why_lines(moments, watched.progress, plan, box_width(self.app))
        self.app.push_screen(LongText("what is notable", lines))

    def do_leave(self) -> None:
        self.app.exit(0)


def _short(path: Path) -> str:
    return "/".join(path.parts[-2:])
