"""The run on screen: what its events told, and the curves that are drawn of it. No Textual."""

from __future__ import annotations

from typing import NamedTuple

from tunewright.engine.run.curves import Curves
from tunewright.engine.run.progress import Look, RunProgress
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.session import load_session
from tunewright.tui.widgets.plot import Mark, Plot, View, marks_of
from tunewright.tui.widgets.pyramid import Moment, Pyramid


class Series(NamedTuple):
    """One of the curves: its name and its column."""

    name: str
    column: str


LOSS = Series("loss", "loss")
SERIES = (
    LOSS,
    Series("gradient norm", "grad_norm"),
    Series("learning rate", "learning_rate"),
    Series("tokens/s", "tokens_per_second"),
)


# Points that are looked at in one go for what is notable.
_CLOSER = 30_000


class Watched:
    """What is known of the run on screen. Made in a thread, then the screen's alone."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.session = load_session(run.session)
        self.progress = RunProgress(run)
        self.loss = Pyramid()
        self.evals = Pyramid()
        self._evaluated = -1
        self._other: tuple[Series, Pyramid] = (LOSS, self.loss)
        for curves in self.progress.catch_up():
            self.loss.follow(curves.step, curves.loss, curves.superseded)
        self._follow_evals(self.progress.curves)

    def take(self, look: Look) -> None:
        """Have what a look brought, curves included."""
        self.progress.take(look)
        curves = self.progress.curves
        self.loss.follow(curves.step, curves.loss, curves.superseded)
        self._follow_evals(curves)

    def _follow_evals(self, curves: Curves) -> None:
        if len(curves.eval_step) + curves.superseded != self._evaluated:
            self._evaluated = len(curves.eval_step) + curves.superseded
            # A step may be evaluated twice, at its turn and at the end: the later one counts.
            latest = dict(zip(curves.eval_step, curves.eval_loss, strict=True))
            self.evals = Pyramid()
            self.evals.extend(sorted(latest), [latest[step] for step in sorted(latest)])

    def moments(self) -> list[Moment]:
        """What is notable of the loss; nothing before `look_closer` has seen all of it."""
        return self.loss.moments() if self.loss.unwatched < _CLOSER else []

    def look_closer(self) -> bool:
        """Look for what is notable in a part of the loss, some 10 ms long; whether more is left."""
        if self.loss.unwatched >= _CLOSER:
            self.loss.watch(_CLOSER)
        return self.loss.unwatched >= _CLOSER

    def plot(self, series: Series, view: View) -> Plot:
        """The curve of a series as it stands."""
        now = self.progress
        saved = tuple(Mark(step, symbol="c") for step in now.checkpoints)
        if series == LOSS:
            marks = (*saved, *marks_of(self.moments()))
            return Plot("loss", self.loss, self.evals, marks, view)
        if self._other[0] != series:
            self._other = (series, Pyramid())
        pyramid = self._other[1]
        pyramid.follow(now.curves.step, getattr(now.curves, series.column), now.curves.superseded)
        return Plot(series.name, pyramid, None, saved, view, best=None)

    @property
    def over(self) -> bool:
        view = self.progress.view
        return view is not None and not view.alive
