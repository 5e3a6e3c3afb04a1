"""The screens: one app, one pane a step, one bench. Everything slow happens in threads.

The frame is the same everywhere: the path, the bench in one line, the pane, a notice, the commands.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import traceback
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Input

from tunewright.engine.files import write_atomic
from tunewright.engine.homes import state_home
from tunewright.engine.run.rundir import RunDir, living_runs
from tunewright.engine.text import plain
from tunewright.hardware.errors import Exit, Problem
from tunewright.hardware.snapshot import Snapshot
from tunewright.tui import boxes
from tunewright.tui.ascii import AsciiFilter
from tunewright.tui.commands import COMMANDS, Command, of_pane, on_key
from tunewright.tui.disk import of_disk
from tunewright.tui.frame import bar_line, bench_line, path_line
from tunewright.tui.line import LineApp
from tunewright.tui.panes.pane import MOST_COPIED, Pane
from tunewright.tui.screens.dialog import Dialog
from tunewright.tui.steps import RUNS, STEPS, after, before, step
from tunewright.tui.suspend import NO_SHELL, shell_waits
from tunewright.tui.widgets.gauge import Gauge
from tunewright.tui.widgets.lines import Lines
from tunewright.tui.workbench import Workbench

if TYPE_CHECKING:
    from tunewright.tui.lookout import Lookout

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

# These show a run, which may be another than the session's own.
SHOWS_RUN = ("train", "prove", "ship")

SMALLEST = (40, 12)


def _theme() -> str:
    """The one for the background that the terminal tells in COLORFGBG ("0;15"); silent is dark."""
    background = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return "ansi-light" if background in ("7", "15") else "ansi-dark"


class TunewrightApp(LineApp):
    """`attach` opens a run instead of the step where the person was; `alone` keeps to one step;
    `keys` were typed before; `machine` is read once a second, in a thread (default: this one);
    `invented` is planned on instead of it."""

    CSS_PATH = "app.tcss"
    # From the first: a theme that is set later has all CSS read and applied once more.
    theme: Reactive[str] = Reactive(_theme)
    ENABLE_COMMAND_PALETTE = False
    # Textual's choice after a box has closed would be the hidden find field, which takes every key.
    AUTO_FOCUS = None
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
        Binding("ctrl+z", "suspend", show=False, priority=True),
    ]

    def __init__(
        self,
        bench: Workbench,
        *,
        attach: RunDir | None = None,
        alone: str | None = None,
        plain_ascii: bool = False,
        notify: str | None = None,
        keys: Sequence[events.Key] = (),
        machine: Callable[[], Snapshot] | None = None,
        invented: Snapshot | None = None,
    ) -> None:
        # Said here, since NO_COLOR is applied before a theme is known.
        super().__init__(ansi_color=True)
        self.bench = bench
        self.attach = attach
        self.alone = alone
        self.plain_ascii = plain_ascii
        self.notify_command = notify
        self._typed_before = keys
        # What the find field narrows the pane to.
        self._find: Input | None = None
        self._sought = ""
        self._here = machine
        self._invented = invented
        # What closed the screen when it was not the person.
        self.fault: Problem | None = None
        if plain_ascii:
            self._filters.append(AsciiFilter())

    # -- frame

    def compose(self) -> ComposeResult:
        # What the first paint does not show is mounted when it is asked for.
        first = self.alone or self._first_pane()
        yield Lines(id="path")
        yield Lines(id="bench")
        if first in GAUGED:
            yield Gauge(id="gauge")
        with ContentSwitcher(id="panes", initial=first):
            yield self._pane(first)
        yield Lines(id="notice")
        yield Lines(id="bar")

    async def on_mount(self) -> None:
        current = self.query_one("#panes", ContentSwitcher).current
        assert current is not None
        await self._open(current)
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        """The first pane stands on the screen, and answers keys."""
        self.run_worker(self._type(self._typed_before))
        if not gc.isenabled():
            # What is there by now stays to the end: no collection needs to look at it again.
            gc.freeze()
            gc.enable()
        # What it looks with is imported in a thread, and would have held up the paint.
        self.in_thread(
            lambda: import_module("tunewright.tui.lookout"), lambda _: self.lookout.start()
        )

    async def _type(self, keys: Sequence[events.Key]) -> None:
        """Press keys, each where the one before has put the focus: Textual hands all of them on to
        the widget that has it now."""
        for key in keys:
            target = self.focused or self.screen
            self.post_message(key)
            # The way of a key: the app, the widget, what it stands in, and the app again.
            for node in (self, *target.ancestors_with_self):
                done = asyncio.Event()
                node.call_later(done.set)
                await done.wait()

    def on_unmount(self) -> None:
        if "lookout" in vars(self):
            self.lookout.stop()

    @cached_property
    def lookout(self) -> Lookout:
        """Who looks at machine, model, rows and runs, from the first paint on."""
        from tunewright.tui.lookout import Lookout

        return Lookout(self, self._here, self._invented, self.notify_command)

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

    def _pane(self, of: str) -> Pane:
        module, _, name = PANES[of].partition(":")
        pane: Pane = getattr(import_module(f"tunewright.tui.panes.{module}"), name)(self.bench)
        return pane

    async def _open(self, to: str) -> None:
        switcher = self.query_one("#panes", ContentSwitcher)
        if self._find is not None:
            # What is sought in one pane is not what another has.
            self._close_find(self._find)
        # What was pressed is answered first: over a slow line the pane itself takes a moment.
        self._show_path(to)
        if not switcher.query(f"#panes > #{to}"):
            await switcher.add_content(self._pane(to))
        if to in GAUGED and not self.query("#gauge"):
            await self._ground.mount(Gauge(id="gauge"), before=switcher)
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
        for gauge in self.query(Gauge):
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
        self.push_screen(boxes.trouble(problem))

    def confirm(self, question: str, detail: str, then: Callable[[], Any]) -> None:
        """Ask before something cannot be undone; No is the default."""
        self.push_screen(boxes.ask(question, detail), lambda yes: then() if yes else None)

    def run_shown(self) -> RunDir | None:
        """The run that Train, Prove and Ship show: the one attached to, or the session's last."""
        return self.attach or self.bench.run()

    async def open_run(self, run: RunDir | None) -> None:
        """Show a run of the list in Train, Prove and Ship; None goes back to the session's own."""
        own = self.bench.run()
        self.attach = None if run is None or (own and own.path == run.path) else run
        await self._go(RUNS.id if run is None else "train")

    # -- threads

    def in_thread(
        self,
        work: Callable[[], T],
        then: Callable[[T], Any],
        failed: Callable[[Problem], Any] | None = None,
    ) -> None:
        """Do `work` in a thread, `then` with its result here. A `Problem`, and what a disk refuses,
        is shown in a box, or handed to `failed` in its place."""
        shown = failed or self.trouble

        def both() -> None:
            try:
                result = work()
            except Problem as problem:
                self.from_thread(shown, problem)
                return
            except OSError as error:
                self.from_thread(shown, of_disk(error))
                return
            self.from_thread(then, result)

        self.run_worker(both, thread=True)

    def from_thread(self, call: Callable[..., Any], *arguments: Any) -> None:
        """From a thread: do `call` here, on the screen's; nothing when the app has ended."""
        if self.is_running:
            self.call_from_thread(call, *arguments)

    def on_pane_changed(self, message: Pane.Changed) -> None:
        self.lookout.look_again()
        self.show_all()

    async def on_pane_go(self, message: Pane.Go) -> None:
        await self._go(message.step)

    async def _go(self, to: str) -> None:
        if self._no_jumps and to != self.alone:
            self.notice(self._no_jumps)
        else:
            await self._open(to)

    def _copy(self, text: str) -> None:
        """Send `text` to the clipboard of the terminal (OSC 52), and say how much of it."""
        self.copy_to_clipboard(text[:MOST_COPIED])
        first = "the first " if len(text) > MOST_COPIED else ""
        self.notice(f"copied {first}{min(len(text), MOST_COPIED):,} characters")

    def on_rows_moved(self) -> None:
        self.show_frame()

    @property
    def _ground(self) -> Screen[Any]:
        """Where panes stand, under whatever box is open."""
        return self.screen_stack[0]

    async def on_resize(self, event: events.Resize) -> None:
        width, height = event.size
        small = width < SMALLEST[0] or height < SMALLEST[1]
        if small and not self.query("#too-small"):
            await self._ground.mount(Container(Lines(id="too-small-text"), id="too-small"))
        for cover in self.query("#too-small"):
            cover.display = small
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
            found = self.pane.narrow(self._sought)
            return None if found else "there is nothing to find here"
        if name == "copy":
            return None if self.pane.copied() else "nothing is marked to copy"
        if name == "runs":
            return self._no_jumps
        if name == "back":
            return self._why_not_back()
        if hasattr(self, f"do_{name}"):
            return None
        return self.pane.why_not(name)

    @property
    def _no_jumps(self) -> str | None:
        """Why no other step can be gone to; None when it can."""
        if self.alone is None:
            return None
        return "opened for this step alone; `tunewright` has the whole path"

    def _why_not_back(self) -> str | None:
        """Why `esc` has nothing to close and nowhere to go; None when it has."""
        if self.pane.inside or (self._find is not None and self._find.display):
            return None
        if self.alone is not None:
            return self._no_jumps
        at = self.pane.STEP
        return "this is the first step" if at == STEPS[0].id else None

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

    async def action_palette(self) -> None:
        # What would be chosen in it is done to the pane below, whatever another box asks.
        if isinstance(self.screen, Dialog):
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

        # Awaited: what is typed behind the key belongs into the field.
        await self.push_screen(boxes.palette(commands), chosen)

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

    def action_suspend(self) -> None:
        """Ctrl-Z goes to the shell; `fg` comes back."""
        if shell_waits():
            self.action_suspend_process()
        else:
            self.notice(NO_SHELL)

    async def do_back(self) -> None:
        """Close the find field, then what the pane has open, then go a step back."""
        if self._find is not None and self._find.display:
            self._close_find(self._find)
        elif not self.pane.back():
            if RUNS.id == self.pane.STEP:
                await self._go(self.bench.place.step)
            elif self.alone is None:
                await self._go(before(self.pane.STEP))

    async def do_runs(self) -> None:
        await self._go(RUNS.id)

    async def do_next(self) -> None:
        if self.attach is None or self.pane.STEP not in SHOWS_RUN:
            self.bench.confirm(self.pane.STEP)
        await self._go(after(self.pane.STEP))

    def do_help(self) -> None:
        commands = [(c, self.why_not(c.name)) for c in of_pane(self.pane.STEP)]
        self.push_screen(boxes.keys(self, step(self.pane.STEP), commands, self._no_jumps))

    def do_quit(self) -> None:
        self.exit(0)

    def do_fresh(self) -> None:
        self.lookout.look_anew()

    def do_copy(self) -> None:
        text = self.pane.copied()
        if text:
            self._copy(text)

    async def do_filter(self) -> None:
        if self._find is None:
            self._find = Input(id="find", placeholder="find; esc closes", compact=True)
            await self._ground.mount(self._find, before="#bar")
        self._find.display = True
        self._find.focus()

    def _close_find(self, find: Input) -> None:
        find.value = self._sought = ""
        find.display = False
        self.pane.narrow("")
        self.set_focus(self.pane.first_focus())

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input is self._find:
            self._sought = event.value
            self.pane.narrow(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input is self._find:
            focus: Widget | None = self.pane.first_focus()
            self.set_focus(focus)
            if not event.value:
                event.input.display = False
