"""The numbers of a run as arrays: what curves and comparisons are made of, 28 bytes a step."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from operator import lt
from pathlib import Path

import msgspec

from tunewright.engine.run.reader import EventFile, worker_files

_UNKNOWN = float("nan")


class _Point(msgspec.Struct, frozen=True, gc=False):
    """What a curve needs of a `Step` or an `Evaluated`; every other field and kind is skipped.

    In the order in which `Step` is written: a third of the time of decoding whole events.
    """

    step: int = 0
    loss: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens_per_second: float = 0.0
    eval_loss: float | None = None


class Curves:
    """Columns of equal length, one entry a step, in step order; NaN where a value was not finite.

    A step seen again (after a resume from an earlier checkpoint) replaces what followed it.
    """

    def __init__(self) -> None:
        self.step = array("q")
        self.loss = array("d")
        self.learning_rate = array("f")
        self.grad_norm = array("f")
        self.tokens_per_second = array("f")
        self.eval_step = array("q")
        self.eval_loss = array("d")
        # Raised whenever steps are taken back: what was drawn of them is stale.
        self.superseded = 0

    def add(self, points: list[_Point]) -> None:
        """Take a batch of one worker's points, in the order in which they were written."""
        # Only a Step has a learning rate.
        steps = [point for point in points if point.learning_rate is not None]
        evaluations = [point for point in points if point.eval_loss is not None]
        numbers = [point.step for point in steps]
        if not all(map(lt, numbers, numbers[1:])):
            # One writer never goes back; a file that does is damaged, and its latest word counts.
            latest = {point.step: point for point in steps}
            numbers = sorted(latest)
            steps = [latest[step] for step in numbers]
        if steps and self.step and numbers[0] <= self.step[-1]:
            self._forget_from(numbers[0])
        self.step.extend(numbers)
        # Spelled out rather than a helper: a call for each of a million points takes 0.3 s.
        self.loss.extend([_UNKNOWN if p.loss is None else p.loss for p in steps])
        self.learning_rate.extend([p.learning_rate for p in steps])  # type: ignore[misc]
        self.grad_norm.extend([_UNKNOWN if p.grad_norm is None else p.grad_norm for p in steps])
        self.tokens_per_second.extend([p.tokens_per_second for p in steps])
        self.eval_step.extend([p.step for p in evaluations])
        self.eval_loss.extend([p.eval_loss for p in evaluations])  # type: ignore[misc]

    def _forget_from(self, step: int) -> None:
        self.superseded += 1
        at = bisect_left(self.step, step)
        columns = (self.step, self.loss, self.learning_rate, self.grad_norm, self.tokens_per_second)
        for column in columns:
            del column[at:]
        # An evaluation follows the step it is named after.
        at = bisect_left(self.eval_step, step)
        del self.eval_step[at:]
        del self.eval_loss[at:]


class RunCurves:
    """The curves of all attempts of a run, growing as it does; the newer attempt supersedes."""

    def __init__(self, events_folder: Path) -> None:
        self.curves = Curves()
        self._folder = events_folder
        self._files: dict[str, EventFile[_Point]] = {}

    def read_new(self) -> Iterator[Curves]:
        """Take in what was written since the last call, a batch at a time."""
        for path in worker_files(self._folder):
            file = self._files.setdefault(path.name, EventFile(path, _Point))
            for batch in file.read_new():
                self.curves.add(batch)
                yield self.curves


def read_curves(events_folder: Path) -> Curves:
    """The curves of all attempts of a run as they stand now."""
    run = RunCurves(events_folder)
    for _ in run.read_new():
        pass
    return run.curves
