"""What is looked at while a person works: the machine, the model and the rows, runs that end.

All of it is slow, so each look is taken in a thread and its findings are handed to the bench where
the screen is drawn. This module and all that it looks with are imported by a thread, once the first
pane stands on the screen (`TunewrightApp.lookout`).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewright.engine.devices.names import AUTO
from tunewright.engine.environment import read_environment
from tunewright.engine.places import places
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.run.view import RunView
from tunewright.engine.session import Environment, Session
from tunewright.engine.text import place, plain
from tunewright.hardware.errors import Problem
from tunewright.hardware.snapshot import Snapshot
from tunewright.hardware.watch import Watch
from tunewright.tui.ended import Endings, notify
from tunewright.tui.looking import look_at_model
from tunewright.tui.rows_apart import RowsApart

if TYPE_CHECKING:
    from tunewright.tui.app import TunewrightApp

LOOK_SECONDS = 1.0
# Runs take minutes: that one has ended is told within this time.
ENDINGS_SECONDS = 2.0
# Model and data are looked at after this, whatever becomes of reading a run.
RUN_FIRST_SECONDS = 5.0
# A machine is read in a twentieth of a second; what imports libraries waits so long for it.
MACHINE_FIRST_SECONDS = 0.5


class Lookout:
    """Looks for `app`, on whose thread its methods are called. `machine` is read once a second, in
    a thread (default: this one); `invented` is planned on instead of it; `command` is a person's
    own, for when a run has ended."""

    def __init__(
        self,
        app: TunewrightApp,
        machine: Callable[[], Snapshot] | None = None,
        invented: Snapshot | None = None,
        command: str | None = None,
    ) -> None:
        self._app = app
        self._bench = app.bench
        self._command = command
        self._here = machine or Watch(places())
        self._machine = self._here if invented is None else lambda: invented
        # The device that was chosen here, while another machine is planned on.
        self._device_here: str | None = None
        self._endings = Endings()
        self._looking_for_endings = False
        self._said_while_looking = False
        self._look_held = False
        self._rest_is_looked_at = False
        self._rows_apart = RowsApart()

    def start(self) -> None:
        """Look at everything, the machine first, and go on looking at what changes."""
        self._look_at_machine()
        self._app.set_timer(MACHINE_FIRST_SECONDS, self._look_at_the_rest)
        self._app.set_interval(LOOK_SECONDS, self._look_live)

    def _look_at_the_rest(self) -> None:
        if self._rest_is_looked_at:
            return
        self._rest_is_looked_at = True
        # A run that is being read comes first: looking at model and data would double its time.
        self._look_held = True
        if self._app.pane.reading:
            self._app.set_timer(RUN_FIRST_SECONDS, self.run_is_read)
        else:
            self.run_is_read()
        own = self._bench.run()
        if own is not None:
            self.run_over(own)
        self._look_for_endings()
        self._app.set_interval(ENDINGS_SECONDS, self._look_for_endings)

    def stop(self) -> None:
        """The screen is gone: what goes on in other processes is not wanted any more."""
        self._rows_apart.stop()

    # -- the machine

    def plan_on(self, machine: Snapshot | None) -> None:
        """Plan on `machine` from now on; None is the machine at hand."""
        bench = self._bench
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
        self._app.show_all()

    def _look_live(self) -> None:
        if self._app.live_due("machine"):
            self._look_at_machine()

    def _look_at_machine(self) -> None:
        known, machine, app = self._bench.environment, self._machine, self._app

        def look() -> None:
            snapshot = machine()
            app.from_thread(self._saw, machine, snapshot)
            if known is None:
                app.from_thread(self._knows, machine, read_environment(snapshot.host))

        app.run_worker(look, thread=True, group="machine", exclusive=True)

    def _saw(self, machine: Callable[[], Snapshot], snapshot: Snapshot) -> None:
        if machine is not self._machine:
            # Another machine was named while this one was being read.
            return
        if self._bench.saw(snapshot) or self._app.pane.STEP == "machine":
            self._app.show_all()
        else:
            self._app.show_frame()
        self._say_unsaved()
        self._look_at_the_rest()

    def _knows(self, machine: Callable[[], Snapshot], environment: Environment) -> None:
        if machine is self._machine:
            self._bench.runs_in(environment)
            self._app.show_all()

    def _say_unsaved(self) -> None:
        unsaved = self._bench.saver.trouble
        if unsaved is not None:
            where = unsaved.filename or self._bench.path
            self._app.notice(f"NOT SAVED: {unsaved.strerror or unsaved}: {plain(str(where))}")
        aside, self._bench.saver.set_aside = self._bench.saver.set_aside, None
        if aside is not None:
            self._app.notice(
                f"another screen changed this session too; what it set is in {place(aside)}"
            )

    # -- model and rows

    @property
    def _looks_last_at(self) -> str:
        """Whoever only sizes a model does it with assumed rows."""
        return "model" if self._app.alone == "method" else "data"

    def look_again(self) -> None:
        """Look at model and data; what is known of them already stays until then."""
        bench, ticket = self._bench, self._bench.ticket
        inputs, base, model = bench.inputs, bench.base, bench.model
        app, rows_too = self._app, self._looks_last_at == "data"

        def look() -> None:
            found = model or look_at_model(
                inputs, base, lambda line: app.from_thread(self._looking_says, line)
            )
            # A plan may follow at once where the screen is drawn: what it imports is imported here.
            import_module("tunewright.tui.planning")
            app.from_thread(self._found, ticket, found, "model")
            if not rows_too:
                return
            # So may the Data pane: it imports what reads rows of any kind.
            import_module("tunewright.tui.panes.data")
            rows = self._rows_apart.look(inputs, base, found)
            if rows is not None:
                app.from_thread(self._found, ticket, rows, "data")

        if bench.model is None or bench.data is None:
            app.run_worker(look, thread=True, group="look")

    def look_anew(self) -> None:
        """Forget what is known of model and data, and look at them."""
        self._bench.model = self._bench.data = None
        self._bench.ticket += 1
        self.look_again()
        self._looking_says("looking at machine, model and data again")

    def run_is_read(self) -> None:
        """What was held back for a run's sake may be looked at."""
        if self._look_held:
            self._look_held = False
            self.look_again()

    def _looking_says(self, line: str) -> None:
        self._said_while_looking = True
        self._app.notice(line)

    def _found(self, ticket: int, what: Any, kind: str) -> None:
        if self._bench.found(ticket, what, kind):
            if self._said_while_looking and kind == self._looks_last_at:
                self._said_while_looking = False
                self._app.notice("")
            self._app.show_all()

    # -- runs that end

    def _look_for_endings(self) -> None:
        if not self._looking_for_endings:
            self._looking_for_endings = True
            self._app.in_thread(self._endings.look, self._found_endings, self._no_endings)

    def _no_endings(self, problem: Problem) -> None:
        self._looking_for_endings = False
        self._app.notice(problem.what)

    def _found_endings(self, found: tuple[frozenset[Path], list[RunView]]) -> None:
        self._looking_for_endings = False
        living, ended = found
        own, lived = self._bench.run(), self._bench.run_lives
        self._bench.run_lives = own is not None and own.path in living
        if own is not None and lived and not self._bench.run_lives:
            self.run_over(own)
        for now in ended:
            self._app.bell()
            self._app.notice(f"{now.record.id}: {now.state}")
            if self._command:
                self._notify(self._command, now)

    def _notify(self, command: str, now: RunView) -> None:
        def complain(text: str) -> None:
            self._app.from_thread(self._app.notice, text)

        self._app.run_worker(
            lambda: notify(command, now.record.id, now.state, complain), thread=True
        )

    def run_over(self, run: RunDir) -> None:
        """The session's run has ended: what it gave is recorded, for replays to be held against."""
        session = self._bench.session

        def look() -> Session | None:
            from tunewright.tui.planning import with_result

            return with_result(session, run)

        def take(after: Session | None) -> None:
            if after is not None and not self._bench.ran(session, after):
                self.run_over(run)

        self._app.in_thread(look, take, lambda problem: self._app.notice(problem.what))
