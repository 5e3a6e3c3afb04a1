"""The screens: one app, one pane a step, one bench. Everything slow happens in threads.

The frame is the same everywhere: the path, the bench in one line, the pane, a notice, the commands.
"""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Input

from tunewright.engine.devices.names import AUTO
from tunewright.engine.environment import read_environment
from tunewright.engine.files import write_atomic
from tunewright.engine.homes import state_home
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.run.view import RunView
from tunewright.engine.session import Environment, Session
from tunewright.engine.text import plain
from tunewright.hardware.errors import Exit, Problem
from tunewright.hardware.snapshot import Snapshot
from tunewright.tui.ascii import AsciiFilter
from tunewright.tui.commands import COMMANDS, Command, of_pane, on_key
from tunewright.tui.ended import Endings, living_runs, notify
from tunewright.tui.frame import bar_line, bench_line, path_line
from tunewright.tui.line import LineApp
from tunewright.tui.looking import look_at_model, look_at_rows
from tunewright.tui.panes.pane import MOST_COPIED, Pane
from tunewright.tui.screens.ask import Ask
from tunewright.tui.screens.dialog import Dialog
from tunewright.tui.screens.keys import key_lines
from tunewright.tui.screens.palette import Palette
from tunewright.tui.screens.text import LongText, box_width
from tunewright.tui.screens.trouble import Trouble
from tunewright.tui.steps import RUNS, STEPS, after, before, step
from tunewright.tui.widgets.gauge import Gauge
from tunewright.tui.widgets.lines import Lines
from tunewright.tui.workbench import Workbench, with_result

T = TypeVar("T")

# Where each pane stands: imported when it is first opened.
PANES = {
    "machine": "machine:MachinePane",
    "goal": "goal:GoalPane",
    "data": "data:DataPane",
    "model": "model:ModelPane",
    "method": "method:MethodPane",
    "train": "train:TrainPane",
    "prove": "prove:ProvePane",
    "ship": "ship:ShipPane",
    "runs": "runs:RunsPane",
}

# The fit gauge stays on screen from here to the end of training.
GAUGED = ("model", "method", "train")

LOOK_SECONDS = 1.0
# Runs take minutes: that one has ended is told within this time.
ENDINGS_SECONDS = 2.0
# Model and data are looked at after this, whatever becomes of reading a run.
RUN_FIRST_SECONDS = 5.0
SMALLEST = (40, 12)


class TunewrightApp(LineApp):
    """`attach` opens a run instead of the step where the person was; `alone` keeps to one step;
    `keys` were typed before; `machine` is read once a second, in a thread (default: this one);
    `invented` is planned on instead of it."""

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    # Textual's choice after a box has closed would be the hidden find field, which takes every key.
    AUTO_FOCUS = None
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - Textual declares it
        (0, "-narrow"),
        (80, "-normal"),
        (110, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-low"),
        (24, "-usual"),
        (36, "-high"),
    ]
    # Textual's own ctrl+q stays; what q does is in the table.
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            # What leaves a field comes before what is typed into it next.
            Binding(key, f"press('{key}')", show=False, priority=key == "escape")
            for key in sorted({key for command in COMMANDS for key in command.keys})
            if key not in ("<", ">")
        ),
        Binding("less_than_sign", "press('<')", show=False),
        Binding("greater_than_sign", "press('>')", show=False),
        *(Binding(step.key, f"step('{step.id}')", show=False) for step in STEPS),
        Binding("ctrl+p", "palette", show=False, priority=True),
        Binding("ctrl+c", "interrupted", show=False, priority=True),
    ]

    def __init__(
        self,
        bench: Workbench,
        *,
        attach: RunDir | None = None,
        alone: str | None = None,
        plain_ascii: bool = False,
        notify: str | None = None,
        keys: Sequence[str] = (),
        machine: Callable[[], Snapshot] | None = None,
        invented: Snapshot | None = None,
    ) -> None:
        # Said here, since NO_COLOR is applied before a theme is known.
        super().__init__(ansi_color=True)
        self.theme = "ansi-light" if _light_terminal() else "ansi-dark"
        self.bench = bench
        self.attach = attach
        self.alone = alone
        self.plain_ascii = plain_ascii
        self.notify_command = notify
        self._typed_before = keys
        self._here = machine or _ThisMachine()
        self._machine = self._here if invented is None else lambda: invented
        # The device that was chosen here, while another machine is planned on.
        self._device_here: str | None = None
        self._endings = Endings()
        self._looking_for_endings = False
        self._said_while_looking = False
        self._look_held = False
        # What closed the screen when it was not the person.
        self.fault: Problem | None = None
        if plain_ascii:
            self._filters.append(AsciiFilter())

    # -- frame

    def compose(self) -> ComposeResult:
        yield Lines(id="path")
        yield Lines(id="bench")
        yield Gauge(id="gauge")
        yield ContentSwitcher(id="panes")
        yield Lines(id="notice")
        yield Input(id="find", placeholder="find; esc closes", compact=True)
        yield Lines(id="bar")
        yield Container(Lines(id="too-small-text"), id="too-small")

    async def on_mount(self) -> None:
        self.query_one("#find").display = False
        await self._open(self.alone or self._first_pane())
        for key in self._typed_before:
            self.simulate_key(key)
        # Threads that import libraries would hold up the first paint.
        self.call_after_refresh(self._start_looking)

    def _start_looking(self) -> None:
        self._look_at_machine()
        # A run that is being read comes first: looking at model and data would double its time.
        self._look_held = True
        if self.pane.reading:
            self.set_timer(RUN_FIRST_SECONDS, self.run_is_read)
        else:
            self.run_is_read()
        self.set_interval(LOOK_SECONDS, self._look_live)
        own = self.bench.run()
        if own is not None:
            self.run_over(own)
        self._look_for_endings()
        self.set_interval(ENDINGS_SECONDS, self._look_for_endings)

    def _first_pane(self) -> str:
        """Where the person was, unless a run is in progress: that one is offered first."""
        if self.attach is not None:
            return "train"
        living = living_runs()
        own = self.bench.run()
        self.bench.run_lives = own is not None and own.path in {run.path for run in living}
        if self.bench.run_lives:
            return "train"
        if living:
            count = f"{len(living)} runs are" if len(living) > 1 else "a run is"
            self.call_after_refresh(
                self.notice, f"{count} in progress: enter opens it, esc goes to where you were"
            )
            return RUNS.id
        return self.bench.place.step

    @property
    def pane(self) -> Pane:
        """The pane on screen."""
        switcher = self.query_one("#panes", ContentSwitcher)
        return switcher.get_child_by_id(switcher.current or "machine", Pane)

    async def _open(self, to: str) -> None:
        switcher = self.query_one("#panes", ContentSwitcher)
        # What was pressed is answered first: over a slow line the pane itself takes a moment.
        self._show_path(to)
        if not switcher.query(f"#panes > #{to}"):
            module, _, name = PANES[to].partition(":")
            pane = getattr(import_module(f"tunewright.tui.panes.{module}"), name)(self.bench)
            await switcher.add_content(pane)
        switcher.current = to
        if to != RUNS.id and self.alone is None and self.attach is None:
            self.bench.go(to)
        self.pane.show()
        self.show_frame()
        focus = self.pane.first_focus()
        self.set_focus(focus)

    def show_all(self) -> None:
        """Draw everything that depends on the bench."""
        self.pane.show()
        self.show_frame()

    def show_frame(self) -> None:
        """Draw the frame around the pane."""
        width = self.size.width
        at = self.pane.STEP
        self._show_path(at)
        self.query_one("#bench", Lines).show([bench_line(self.bench, width)])
        gauge = self.query_one("#gauge", Gauge)
        gauge.display = at in GAUGED and self.size.height >= 16
        if gauge.display:
            gauge.show_plan(self.pane.gauged(), self.bench.snapshot)
        self.query_one("#bar", Lines).show([bar_line(at, self.why_not, width)])

    def _show_path(self, at: str) -> None:
        line = path_line(at, self.bench.place.confirmed, self.size.width)
        self.query_one("#path", Lines).show([line])

    def notice(self, text: str) -> None:
        """Say something in one line above the commands; it stays until the next key."""
        lines = self.query_one("#notice", Lines)
        lines.display = bool(text)
        lines.show([plain(text)] if text else [])

    def trouble(self, problem: Problem) -> None:
        """Say what, why and cure, with the cure to copy."""
        self.push_screen(Trouble(problem))

    def confirm(self, question: str, detail: str, then: Callable[[], Any]) -> None:
        """Ask before something cannot be undone; No is the default."""
        self.push_screen(Ask(question, detail), lambda yes: then() if yes else None)

    def run_shown(self) -> RunDir | None:
        """The run that Train, Prove and Ship show: the one attached to, or the session's last."""
        return self.attach or self.bench.run()

    async def open_run(self, run: RunDir | None) -> None:
        """Show a run of the list in Train, Prove and Ship; None goes back to the session's own."""
        own = self.bench.run()
        self.attach = None if run is None or (own and own.path == run.path) else run
        await self._go(RUNS.id if run is None else "train")

    # -- runs that end

    def _look_for_endings(self) -> None:
        if not self._looking_for_endings:
            self._looking_for_endings = True
            self.in_thread(self._endings.look, self._found_endings)

    def _found_endings(self, found: tuple[frozenset[Path], list[RunView]]) -> None:
        self._looking_for_endings = False
        living, ended = found
        own = self.bench.run()
        self.bench.run_lives = own is not None and own.path in living
        for now in ended:
            self.bell()
            self.notice(f"{now.record.id}: {now.state}")
            if self.notify_command:
                self._notify(self.notify_command, now)
            if own is not None and now.record.id == own.read_record().id:
                self.run_over(own)

    def _notify(self, command: str, now: RunView) -> None:
        def complain(text: str) -> None:
            self.from_thread(self.notice, text)

        self.run_worker(lambda: notify(command, now.record.id, now.state, complain), thread=True)

    def run_over(self, run: RunDir) -> None:
        """The session's run has ended: what it gave is recorded, for replays to be held against."""
        session = self.bench.session

        def take(after: Session | None) -> None:
            if after is not None and not self.bench.ran(session, after):
                self.run_over(run)

        self.in_thread(lambda: with_result(session, run), take)

    # -- what is looked at

    def in_thread(self, work: Callable[[], T], then: Callable[[T], Any]) -> None:
        """Do `work` in a thread, `then` with its result here. A `Problem` is shown."""

        def both() -> None:
            try:
                result = work()
            except Problem as problem:
                self.from_thread(self.trouble, problem)
                return
            self.from_thread(then, result)

        self.run_worker(both, thread=True)

    def from_thread(self, call: Callable[..., Any], *arguments: Any) -> None:
        if self.is_running:
            self.call_from_thread(call, *arguments)

    def _look_live(self) -> None:
        if self.live_due("machine"):
            self._look_at_machine()

    def _look_at_machine(self) -> None:
        known, machine = self.bench.environment, self._machine

        def look() -> tuple[Callable[[], Snapshot], Snapshot, Environment | None]:
            snapshot = machine()
            return machine, snapshot, None if known else read_environment(snapshot.host)

        self.run_worker(
            lambda: self.from_thread(self._saw, *look()),
            thread=True,
            group="machine",
            exclusive=True,
        )

    def _say_unsaved(self) -> None:
        unsaved = self.bench.saver.trouble
        if unsaved is not None:
            where = unsaved.filename or self.bench.path
            self.notice(f"NOT SAVED: {unsaved.strerror or unsaved}: {plain(str(where))}")

    def plan_on(self, machine: Snapshot | None) -> None:
        """Plan on `machine` from now on; None is the machine at hand."""
        bench = self.bench
        if machine is not None and self._device_here is None:
            self._device_here = bench.inputs.device
        device = AUTO if machine is not None else self._device_here
        self._machine = self._here if machine is None else lambda: machine
        bench.leave_machine()
        if device is not None and bench.inputs.device != "cpu":
            bench.answer(device=device)
        if machine is None:
            self._device_here = None
        self._look_at_machine()
        self.show_all()

    def _saw(
        self,
        machine: Callable[[], Snapshot],
        snapshot: Snapshot,
        environment: Environment | None,
    ) -> None:
        if machine is not self._machine:
            # Another machine was named while this one was being read.
            return
        if self.bench.saw(snapshot, environment) or self.pane.STEP == "machine":
            self.show_all()
        else:
            self.show_frame()
        self._say_unsaved()

    @property
    def _looks_last_at(self) -> str:
        """Whoever only sizes a model does it with assumed rows."""
        return "model" if self.alone == "method" else "data"

    def look_again(self) -> None:
        """Look at model and data; what is known of them already stays until then."""
        bench, ticket = self.bench, self.bench.ticket
        inputs, base, model = bench.inputs, bench.base, bench.model
        rows_too = self._looks_last_at == "data"

        def look() -> None:
            found = model or look_at_model(
                inputs, base, lambda line: self.from_thread(self._looking_says, line)
            )
            self.from_thread(self._found, ticket, found, "model")
            if not rows_too:
                return
            rows = look_at_rows(inputs, base, found)
            self.from_thread(self._found, ticket, rows, "data")

        if bench.model is None or bench.data is None:
            self.run_worker(look, thread=True, group="look")

    def run_is_read(self) -> None:
        """What was held back for a run's sake may be looked at."""
        if self._look_held:
            self._look_held = False
            self.look_again()

    def _looking_says(self, line: str) -> None:
        self._said_while_looking = True
        self.notice(line)

    def _found(self, ticket: int, what: Any, kind: str) -> None:
        if self.bench.found(ticket, what, kind):
            if self._said_while_looking and kind == self._looks_last_at:
                self._said_while_looking = False
                self.notice("")
            self.show_all()

    def on_pane_changed(self, message: Pane.Changed) -> None:
        self.look_again()
        self.show_all()

    async def on_pane_go(self, message: Pane.Go) -> None:
        await self._go(message.step)

    async def _go(self, to: str) -> None:
        if self.alone is not None and to != self.alone:
            self.notice("opened for this step alone; `tunewright` has the whole path")
        else:
            await self._open(to)

    def _copy(self, text: str) -> None:
        """Send `text` to the clipboard of the terminal (OSC 52), and say how much of it."""
        self.copy_to_clipboard(text[:MOST_COPIED])
        first = "the first " if len(text) > MOST_COPIED else ""
        self.notice(f"copied {first}{min(len(text), MOST_COPIED):,} characters")

    def on_rows_moved(self) -> None:
        self.show_frame()

    async def on_resize(self, event: events.Resize) -> None:
        width, height = event.size
        small = width < SMALLEST[0] or height < SMALLEST[1]
        self.query_one("#too-small").display = small
        if small:
            least = f"{SMALLEST[0]}x{SMALLEST[1]}"
            self.query_one("#too-small-text", Lines).show([f"{width}x{height}: needs {least}"])
        elif self.query_one("#panes", ContentSwitcher).current:
            self.call_after_refresh(self.show_frame)

    # -- commands

    def why_not(self, name: str) -> str | None:
        """Why a command can do nothing now; None when it can."""
        if name == "filter":
            # What is narrowed already stays as it is.
            found = self.pane.narrow(self.query_one("#find", Input).value)
            return None if found else "there is nothing to find here"
        if name == "copy":
            return None if self.pane.copied() else "nothing is marked to copy"
        if hasattr(self, f"do_{name}"):
            return None
        return self.pane.why_not(name)

    async def action_press(self, key: str) -> None:
        """A key of the table was pressed."""
        if isinstance(self.screen, Dialog):
            # Of them, `esc` alone comes here while a box is open.
            self.screen.action_close()
            return
        command = on_key(self.pane.STEP, key, self.why_not)
        if command is not None:
            await self.do(command)

    async def do(self, command: Command) -> None:
        """Do a command, or say why it cannot be done now."""
        self.notice("")
        reason = self.why_not(command.name)
        if reason is not None:
            self.notice(f"{command.title}: {reason}")
            return
        own = getattr(self, f"do_{command.name}", None)
        try:
            done = own() if own else getattr(self.pane, f"do_{command.name}")()
            if done is not None:
                await done
        except Problem as problem:
            self.trouble(problem)
        self.show_frame()

    async def action_step(self, to: str) -> None:
        self.notice("")
        await self._go(to)

    def action_palette(self) -> None:
        if isinstance(self.screen, Palette):
            return
        pane = self.pane.STEP
        commands = [(c, self.why_not(c.name)) for c in of_pane(pane)]

        async def chosen(name: str | None) -> None:
            if name is None:
                return
            if name.startswith("step:"):
                await self.action_step(name.removeprefix("step:"))
            else:
                await self.do(next(c for c, _ in commands if c.name == name))

        self.push_screen(Palette(commands), chosen)

    def _fatal_error(self) -> None:
        """A fault of ours: Textual would print its locals, and with them the person's data."""
        error = self._exception
        file = state_home() / "fault.txt"
        with contextlib.suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            told = "".join(traceback.format_exception(error))
            write_atomic(file, told.encode(errors="backslashreplace"))
        self.fault = Problem(
            "the screen met a fault and was closed; runs go on",
            why=f"{type(error).__name__}: {error}; where: {file}",
            cure="`tunewright` opens again at the same place; please report the file",
            exit=Exit.FAILED,
        )
        self._close_messages_no_wait()

    async def action_interrupted(self) -> None:
        """Ctrl-C leaves; a run is never touched by it."""
        self.exit(0)

    async def do_back(self) -> None:
        """Close the find field, then what the pane has open, then go a step back."""
        find = self.query_one("#find", Input)
        if find.display:
            self._close_find(find)
        elif not self.pane.back():
            if RUNS.id == self.pane.STEP:
                await self._go(self.bench.place.step)
            elif self.alone is None:
                await self._go(before(self.pane.STEP))

    async def do_runs(self) -> None:
        await self._go(RUNS.id)

    async def do_next(self) -> None:
        self.bench.confirm(self.pane.STEP)
        await self._go(after(self.pane.STEP))

    def do_help(self) -> None:
        commands = [(c, self.why_not(c.name)) for c in of_pane(self.pane.STEP)]
        # With it comes a reader of TOML.
        from tunewright.tui.screens.guide import guide_lines

        at, width = step(self.pane.STEP), box_width(self)
        lines = [*key_lines(commands, width), *guide_lines(at.id, width)]
        self.push_screen(LongText(f"{at.title}: {at.question}", lines))

    def do_quit(self) -> None:
        self.exit(0)

    def do_fresh(self) -> None:
        self.bench.model = self.bench.data = None
        self.bench.ticket += 1
        self.look_again()
        self._looking_says("looking at machine, model and data again")

    def do_copy(self) -> None:
        text = self.pane.copied()
        if text:
            self._copy(text)

    def do_filter(self) -> None:
        find = self.query_one("#find", Input)
        find.display = True
        find.focus()

    def _close_find(self, find: Input) -> None:
        find.value = ""
        find.display = False
        self.pane.narrow("")
        self.set_focus(self.pane.first_focus())

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "find":
            self.pane.narrow(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "find":
            focus: Widget | None = self.pane.first_focus()
            self.set_focus(focus)
            if not event.value:
                event.input.display = False


class _ThisMachine:
    """The machine now. What reads it is imported at the first look, which a thread takes once the
    first paint is done."""

    def __init__(self) -> None:
        self._watch: Callable[[], Snapshot] | None = None

    def __call__(self) -> Snapshot:
        if self._watch is None:
            from tunewright.engine.places import places
            from tunewright.hardware.watch import Watch

            self._watch = Watch(places())
        return self._watch()


def _light_terminal() -> bool:
    """What the terminal says of its background in COLORFGBG ("0;15"); dark when it is silent."""
    background = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return background in ("7", "15")
