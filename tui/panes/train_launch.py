"""Getting a run under way: what keeps a plan from it, launching it, resuming it."""

from __future__ import annotations

from collections.abc import Callable

from tunewright.engine.plan import Plan
from tunewright.engine.ready import check_ready
from tunewright.engine.run.launch import launch, resume
from tunewright.engine.run.rundir import LaunchOptions, RunDir
from tunewright.hardware.errors import Problem
from tunewright.hardware.host import logout_kills
from tunewright.tui.panes.pane import Pane


class Launching:
    """What is found out of a plan before it is launched, and what is being started.

    `said` is what is being done, "" when nothing is; `trouble` keeps the plan looked at last from
    being launched, `warning` does not. Threads of `pane` do the work; `changed` is called when
    something is known or has begun.
    """

    def __init__(self, pane: Pane, changed: Callable[[], None]) -> None:
        self._pane, self._changed = pane, changed
        self.said = ""
        self.trouble: Problem | None = None
        self.warning = ""
        self._looked_at: Plan | None = None
        self._looking = False

    def look_at(self, plan: Plan) -> None:
        """Find out, once a plan and in a thread, what would keep it from being launched."""
        if self._looked_at == plan or self._looking:
            return
        self._looking = True
        session = self._pane.bench.session

        def look() -> tuple[Problem | None, str]:
            kills = logout_kills()
            warning = f"{kills.what}; {kills.cure}" if kills else ""
            try:
                check_ready(session, None)
            except Problem as problem:
                return problem, warning
            return None, warning

        def take(found: tuple[Problem | None, str]) -> None:
            self._looking, self._looked_at = False, plan
            self.trouble, self.warning = found
            self._changed()

        self._pane.in_thread(look, take, lambda problem: take((problem, "")))

    def why_not(self) -> str | None:
        """Why the bench's session cannot be launched now; None when it can."""
        if self.said:
            return "it is being launched"
        plan = self._pane.bench.plan
        if not isinstance(plan, Plan):
            return "there is no plan yet"
        return self.trouble.what if self.trouble is not None and plan == self._looked_at else None

    def launch(self) -> None:
        """Launch the bench's session, in a thread; the bench then has its run."""
        bench = self._pane.bench
        session, base = bench.session, bench.base

        def start() -> RunDir:
            check_ready(session, None)
            return launch(session, base, LaunchOptions())

        def take(run: RunDir) -> None:
            self.said = ""
            bench.launched(run)
            self._pane.tunewright.show_all()

        self.said = "launching …"
        self._pane.in_thread(start, take, self._failed)
        self._changed()

    def resume(self, run: RunDir, then: Callable[[], None]) -> None:
        """Go on with `run`, in a thread; `then` once it works again."""

        def take(_: object) -> None:
            self.said = ""
            then()
            self._pane.tunewright.show_all()

        self.said = "resuming …"
        self._pane.in_thread(lambda: resume(run), take, self._failed)

    def _failed(self, problem: Problem) -> None:
        self.said = ""
        self._pane.tunewright.trouble(problem)
        self._pane.tunewright.show_all()
