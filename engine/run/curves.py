"""The numbers of a run as arrays: what curves and comparisons are made of, 24 bytes a step."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from operator import lt
from typing import Annotated, Any, NamedTuple

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


class Batch(NamedTuple):
    """What one worker wrote in one go: its steps as columns of equal length, and all else."""

    step: array[int]
    loss: array[float]
    learning_rate: array[float]
    grad_norm: array[float]
    tokens_per_second: array[float]
    rare: list[Rare]

    @property
    def columns(self) -> tuple[array[Any], ...]:
        return self[:-1]

    @classmethod
    def of_bytes(cls, columns: Sequence[bytes], rare: list[Rare]) -> Batch:
        """The batch whose columns have these bytes; ValueError when they are not its columns."""
        step, loss, learning_rate, grad_norm, tokens_per_second = columns
        batch = cls(
            array("i", step),
            array("d", loss),
            array("f", learning_rate),
            array("f", grad_norm),
            array("f", tokens_per_second),
            rare,
        )
        if any(len(column) != len(batch.step) for column in batch.columns):
            raise ValueError("columns of unequal length")
        return batch


def batch_of(told: Sequence[Told]) -> Batch:
    """What one worker wrote, in the order in which it did, as columns and rare events."""
    steps = [event for event in told if type(event) is Point]
    numbers = [point.step for point in steps]
    if not all(map(lt, numbers, numbers[1:])):
        # One writer never goes back; a file that does is damaged, and its latest word counts.
        latest = {point.step: point for point in steps}
        numbers = sorted(latest)
        steps = [latest[step] for step in numbers]
    # Spelled out rather than a helper: a call for each of a million points takes 0.3 s.
    return Batch(
        array("i", numbers),
        array("d", [_UNKNOWN if p.loss is None else p.loss for p in steps]),
        array("f", [p.learning_rate for p in steps]),
        array("f", [_UNKNOWN if p.grad_norm is None else p.grad_norm for p in steps]),
        array("f", [p.tokens_per_second for p in steps]),
        [event for event in told if not isinstance(event, Point)],
    )


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

    def add(self, batch: Batch) -> None:
        """Take steps and evaluations of what one worker wrote next."""
        if batch.step and self.step and batch.step[0] <= self.step[-1]:
            self._forget_from(batch.step[0])
        self.step.extend(batch.step)
        self.loss.extend(batch.loss)
        self.learning_rate.extend(batch.learning_rate)
        self.grad_norm.extend(batch.grad_norm)
        self.tokens_per_second.extend(batch.tokens_per_second)
        evaluations = [event for event in batch.rare if type(event) is Evaluated]
        self.eval_step.extend([event.step for event in evaluations])
        self.eval_loss.extend([event.eval_loss for event in evaluations])

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
