"""The numbers of a run as arrays: what curves and comparisons are made of, 28 bytes a step."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from pathlib import Path

from tunewright.engine.run.events import Evaluated, Event, Step
from tunewright.engine.run.reader import EventFile, worker_files

_UNKNOWN = float("nan")


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

    def add(self, events: list[Event]) -> None:
        """Take a batch of one worker's events."""
        for event in events:
            if type(event) is Step:
                if self.step and event.step <= self.step[-1]:
                    self._forget_from(event.step)
                self.step.append(event.step)
                self.loss.append(_UNKNOWN if event.loss is None else event.loss)
                self.learning_rate.append(event.learning_rate)
                self.grad_norm.append(_UNKNOWN if event.grad_norm is None else event.grad_norm)
                self.tokens_per_second.append(event.tokens_per_second)
            elif type(event) is Evaluated:
                self.eval_step.append(event.step)
                self.eval_loss.append(event.eval_loss)

    def _forget_from(self, step: int) -> None:
        at = bisect_left(self.step, step)
        columns = (self.step, self.loss, self.learning_rate, self.grad_norm, self.tokens_per_second)
        for column in columns:
            del column[at:]
        # An evaluation follows the step it is named after.
        at = bisect_left(self.eval_step, step)
        del self.eval_step[at:]
        del self.eval_loss[at:]


def read_curves(events_folder: Path) -> Curves:
    """The curves of all attempts of a run, the newer superseding the older."""
    curves = Curves()
    for path in worker_files(events_folder):
        for batch in EventFile(path).read_new():
            curves.add(batch)
    return curves
