"""Reading the run on screen: all of it once, what is new once a second, in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tunewright.engine.run.events import Answered
from tunewright.engine.run.progress import Look, preview
from tunewright.engine.run.rundir import RunDir
from tunewright.hardware.errors import Problem
from tunewright.tui.panes.pane import Pane
from tunewright.tui.watched import Watched


class Watching:
    """The run that `pane` shows, and what is known of it once it was read.

    `heard` is called when something new is known, with the answers to commands that came; `sampled`
    with some steps and losses of a long run, before all of it is read. `trouble` is why the run
    cannot be read.
    """

    def __init__(
        self,
        pane: Pane,
        heard: Callable[[list[Answered]], None],
        sampled: Callable[[Sequence[float], Sequence[float]], None],
    ) -> None:
        self._pane, self._heard, self._sampled = pane, heard, sampled
        self.run: RunDir | None = None
        self.watched: Watched | None = None
        self.trouble: Problem | None = None
        self._looking = False
        self._said = ""
        self._looking_closer = False

    def close(self) -> None:
        """There is no run."""
        self.run = self.watched = self.trouble = None

    def open(self, run: RunDir) -> None:
        """Read a run from its start; of a long one some steps are told first."""
        self.run, self.watched, self.trouble, self._looking = run, None, None, False
        app = self._pane.tunewright

        def read() -> Watched:
            steps, losses = preview(run)
            if steps:
                app.from_thread(self._preview, run, steps, losses)
            return Watched(run)

        def take(watched: Watched) -> None:
            if self.run is run:
                self.watched = watched
                self._hear(watched, [])
            app.lookout.run_is_read()

        def failed(problem: Problem) -> None:
            if self.run is run:
                self.trouble = problem
                self._heard([])
            app.lookout.run_is_read()

        self._pane.in_thread(read, take, failed)

    def _preview(self, run: RunDir, steps: Sequence[float], losses: Sequence[float]) -> None:
        if self.run is run:
            self._sampled(steps, losses)

    def look(self) -> None:
        """Read what the run has told since, unless it is over or that is under way."""
        watched = self.watched
        if watched is None or watched.over or self._looking:
            return
        self._looking = True

        def take(look: Look) -> None:
            self._looking, self._said = False, ""
            if self.watched is watched:
                answers = [e for _, batch in look.told for e in batch.rare if type(e) is Answered]
                watched.take(look)
                self._hear(watched, answers)

        def failed(problem: Problem) -> None:
            self._looking = False
            # Tried again, and said once.
            if self.watched is watched and self._said != problem.what:
                self._said = problem.what
                self._pane.tunewright.trouble(problem)

        self._pane.in_thread(watched.progress.look, take, failed)

    def _hear(self, watched: Watched, answers: list[Answered]) -> None:
        if watched.over:
            self._pane.tunewright.lookout.run_over(watched.run)
        self._heard(answers)
        if not self._looking_closer:
            self._look_closer(watched)

    def _look_closer(self, watched: Watched) -> None:
        """Find what is notable of a long run a little at a time, once its curve is drawn."""
        more = self.watched is watched and watched.look_closer()
        if more:
            self._pane.set_timer(0.01, lambda: self._look_closer(watched))
        elif self._looking_closer:
            self._heard([])
        self._looking_closer = more
