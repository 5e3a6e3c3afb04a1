"""The numbers of a run as arrays: what curves and comparisons are made of, 24 bytes a step."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from operator import lt
from pathlib import Path
from typing import Annotated

import msgspec

from tunewright.engine.run.events import (
    Answered,
    Checkpoint,
    Evaluated,
    Failed,
    Memory,
    Note,
    Progress,
    Sample,
    StageDone,
    StageStarted,
    State,
    Warned,
)
from tunewright.engine.run.reader import EventFile, worker_files

_UNKNOWN = float("nan")


class Point(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="step"):
    """What a curve needs of a `Step`; its other fields are skipped.

    In the order in which `Step` is written: a third of the time of decoding whole events.
    """

    step: Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)] = 0
    loss: float | None = None
    learning_rate: float = 0.0
    grad_norm: float | None = None
    tokens_per_second: float = 0.0


# Everything but steps, of which there are millions.
Rare = (
    Answered
    | Checkpoint
    | Evaluated
    | Failed
    | Memory
    | Note
    | Progress
    | Sample
    | StageDone
    | StageStarted
    | State
    | Warned
)
Told = Point | Rare


class Curves:
    """Columns of equal length, one entry a step, in step order; NaN where a value was not finite.

    A step seen again (after a resume from an earlier checkpoint) replaces what followed it.
    """

    def __init__(self) -> None:
        self.step = array("i")
        self.loss = array("d")
        self.learning_rate = array("f")
        self.grad_norm = array("f")
        self.tokens_per_second = array("f")
        self.eval_step = array("q")
        self.eval_loss = array("d")
        # Raised whenever steps are taken back: what was drawn of them is stale.
        self.superseded = 0

    def add(self, told: Sequence[Told]) -> None:
        """Take steps and evaluations of what one worker wrote, in the order in which it did."""
        steps = [event for event in told if type(event) is Point]
        evaluations = [event for event in told if type(event) is Evaluated]
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
        self.learning_rate.extend([p.learning_rate for p in steps])
        self.grad_norm.extend([_UNKNOWN if p.grad_norm is None else p.grad_norm for p in steps])
        self.tokens_per_second.extend([p.tokens_per_second for p in steps])
        self.eval_step.extend([p.step for p in evaluations])
        self.eval_loss.extend([p.eval_loss for p in evaluations])

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


def read_curves(events_folder: Path) -> Curves:
    """The curves of all attempts of a run as they stand now; the newer attempt supersedes."""
    curves = Curves()
    for path in worker_files(events_folder):
        file: EventFile[Told] = EventFile(path, Told)
        for batch in file.read_new():
            curves.add(batch)
    return curves
