"""Where a run stands, as its events tell it: for a screen that looks once a second.

    progress = RunProgress(run)
    for _ in progress.catch_up(): ...      # all there is, a batch at a time
    look = progress.look()                 # what came since, in any thread
    progress.take(look)                    # in the thread that draws

`look` reads and changes nothing that is drawn, so no lock is needed. Memory is bounded but for the
curves (24 bytes a step).
"""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from tunewright.engine.run.changes import Changes
from tunewright.engine.run.curves import Batch, Curves, Point, Rare
from tunewright.engine.run.events import (
    HANDED_ON,
    Answered,
    Checkpoint,
    Failed,
    Memory,
    Progress,
    Sample,
    StageDone,
    StageStarted,
    Step,
    Warned,
)
from tunewright.engine.run.reader import last_event, sampled, worker_files
from tunewright.engine.run.rollup import ToldFile
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.run.view import RunView, view
from tunewright.engine.session import Session

_LOG_KEPT = 500
_ANSWERS_KEPT = 256

# Below this size a file is read before a preview of it would be drawn.
_PREVIEW_BYTES = 8 << 20
_PREVIEW_POINTS = 2000

# Speeds that a time left is judged by, and from how many on it has a range.
_SPEEDS, _SPEEDS_LEAST = 200, 8

StageState = Literal["done", "running", "next", "not reached"]


class StageNow(msgspec.Struct, frozen=True):
    """One planned stage as it stands. `seconds` is how long it took; `progress` is what it told
    last, while it runs."""

    id: str
    title: str
    state: StageState
    seconds: float | None = None
    progress: Progress | None = None


class Look(msgspec.Struct, frozen=True):
    """What one look brought: the view, new events by attempt, the last step in full, and the
    stages whose result stands."""

    view: RunView
    told: list[tuple[int, Batch]]
    step: Step | None
    finished: frozenset[str]


class RunProgress:
    """See the module. `log` holds the last events but steps; `answers` the last held-out rows that
    a stage asked, `changes` those that are asked again and again while it trains."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.curves = Curves()
        self.view: RunView | None = None
        self.step: Step | None = None
        self.memory: Memory | None = None
        self.failed: Failed | None = None
        self.checkpoints: dict[int, Checkpoint] = {}
        self.warned: deque[Warned] = deque(maxlen=_LOG_KEPT)
        self.answers: deque[Sample] = deque(maxlen=_ANSWERS_KEPT)
        self.changes = Changes()
        self.log: deque[Rare] = deque(maxlen=_LOG_KEPT)
        self.started: StageStarted | None = None
        self._progress: Progress | None = None
        self._seconds: dict[str, float] = {}
        self._finished: frozenset[str] = frozenset()
        self._files: dict[str, ToldFile] = {}
        self._attempt = 0

    # -- reading

    def look(self) -> Look:
        """Read what came since the last look. A `Problem` when run.json is damaged or gone."""
        # The view first: what was written before an end is then never missed.
        now = view(self.run)
        told = list(self._read())
        workers = worker_files(self.run.events)
        stepped = any(batch.step for _, batch in told)
        step = last_event(workers[-1], Step) if stepped else None
        return Look(now, told, step, self._finished_stages())

    def take(self, look: Look) -> None:
        """Have what a look brought."""
        for attempt, batch in look.told:
            self._add(attempt, batch)
        self.view = look.view
        self.step = look.step or self.step
        self._finished = look.finished

    def catch_up(self) -> Iterator[Curves]:
        """Read and take all there is, a batch at a time; the curves after each."""
        now = view(self.run)
        for attempt, batch in self._read():
            self._add(attempt, batch)
            yield self.curves
        for file in worker_files(self.run.events):
            self.step = last_event(file, Step) or self.step
        self.view, self._finished = now, self._finished_stages()

    def _read(self) -> Iterator[tuple[int, Batch]]:
        """New events of the first workers and the supervisors, attempt by attempt."""
        paths = [p for p in self.run.events.glob("*-*.jsonl") if p.name.split("-", 1)[0].isdigit()]
        for number in sorted({int(path.name.split("-", 1)[0]) for path in paths}):
            for name in (f"{number}-worker0.jsonl", f"{number}-supervisor.jsonl"):
                file = self._files.setdefault(name, ToldFile(self.run.events / name))
                for batch in file.read_new():
                    yield number, batch

    @property
    def skipped(self) -> dict[str, int]:
        """How many lines were no events, by the files that have such lines."""
        return {name: file.skipped for name, file in list(self._files.items()) if file.skipped}

    def _finished_stages(self) -> frozenset[str]:
        return frozenset(path.stem for path in self.run.results.glob("*.json"))

    def _add(self, attempt: int, batch: Batch) -> None:
        self.curves.add(batch)
        if attempt > self._attempt:
            self._attempt = attempt
            self.started = self._progress = self.failed = None
        for event in batch.rare:
            self._hear(event)

    def _hear(self, event: Rare) -> None:
        if isinstance(event, StageStarted):
            self.started, self._progress = event, None
        elif isinstance(event, StageDone):
            self._seconds[event.stage] = event.seconds
        elif isinstance(event, Progress):
            self._progress = event
            return
        elif isinstance(event, Answered) and event.answer == HANDED_ON:
            return
        elif isinstance(event, Checkpoint):
            self.checkpoints[event.step] = event
        elif isinstance(event, Sample):
            self.changes.hear(event)
            if event.step is None:
                self.answers.append(event)
        elif isinstance(event, Memory):
            self.memory = event
        elif isinstance(event, Warned):
            self.warned.append(event)
        elif isinstance(event, Failed):
            self.failed = event
        self.log.append(event)

    # -- what follows from it

    def stages(self, planned: Session) -> list[StageNow]:
        """The planned stages in their order, with what is known of each."""
        alive = self.view is not None and self.view.alive
        found: list[StageNow] = []
        for stage in planned.plan.stages if planned.plan else ():
            state: StageState = "next" if alive else "not reached"
            progress = None
            if stage.id in self._finished:
                state = "done"
            elif alive and self.started is not None and self.started.stage == stage.id:
                state, progress = "running", self._progress
            found.append(
                StageNow(stage.id, stage.title, state, self._seconds.get(stage.id), progress)
            )
        return found

    def seconds(self) -> float | None:
        """Seconds of the last attempt so far, or to its end; None without an attempt."""
        if self.view is None or not self.view.record.attempts:
            return None
        started = self.view.record.attempts[-1].started
        return max(0.0, (self.view.ended.time if self.view.ended else time.time()) - started)

    def left(self) -> tuple[float, float, float] | None:
        """Seconds that training still takes: (expected, low, high); None before it is known.

        The worker expects; the range is what the 10th and the 90th percentile of its speeds over
        the last steps would make of it. Low and high are equal while there are too few of them.
        """
        if self.step is None or self.step.eta_seconds is None:
            return None
        eta = self.step.eta_seconds
        speeds = sorted(speed for speed in self.curves.tokens_per_second[-_SPEEDS:] if speed > 0)
        now = self.step.tokens_per_second
        if len(speeds) < _SPEEDS_LEAST or now <= 0:
            return eta, eta, eta
        slow, fast = speeds[len(speeds) // 10], speeds[-1 - len(speeds) // 10]
        return eta, min(eta, eta * now / fast), max(eta, eta * now / slow)


def preview(run: RunDir) -> tuple[array[float], array[float]]:
    """(steps, losses) of about 2,000 steps spread over a long run, in some 50 ms; empty for a
    short one, which is read as fast."""
    steps, losses = array("d"), array("d")
    for path in worker_files(run.events):
        if path.stat().st_size < _PREVIEW_BYTES:
            continue
        for point in sampled(path, Point, _PREVIEW_POINTS):
            if point.loss is not None and (not steps or point.step > steps[-1]):
                steps.append(point.step)
                losses.append(point.loss)
    return steps, losses


def last_step(run: RunDir) -> Step | None:
    """The last step of the last attempt that took one."""
    found = (last_event(path, Step) for path in reversed(worker_files(run.events)))
    return next((step for step in found if step is not None), None)


def stage_now(run: RunDir) -> StageStarted | None:
    """The stage that the last attempt started last, if its file's end still tells."""
    files: list[Path] = worker_files(run.events)
    return last_event(files[-1], StageStarted) if files else None
