"""Following a run as text: a progress line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType

from tunewright.engine.run.client import ask
from tunewright.engine.run.events import (
    Answered,
    Checkpoint,
    Evaluated,
    Event,
    Failed,
    Memory,
    Note,
    Progress,
    Sample,
    StageDone,
    StageStarted,
    State,
    Step,
    Warned,
)
from tunewright.engine.run.reader import RunEvents
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.run.view import RunView, is_running, view
from tunewright.engine.text import duration, plain, shorten, size
from tunewright.hardware.errors import Problem
from tunewright.tui import say

POLL_SECONDS = 0.25
# Off a terminal every line is kept in a log: progress is told this often.
QUIET_SECONDS = 10.0
# Answers shown of a stage; the report has them side by side.
SAMPLES_SHOWN = 3


def follow(run: RunDir, *, from_attempt: int = 1, stop_on_interrupt: bool, quiet: bool) -> RunView:
    """Print what happens until the run ends; its view then.

    With `stop_on_interrupt` the first Ctrl-C asks for a checkpoint and a stop, and the second
    leaves (KeyboardInterrupt); without it the first one leaves. The run itself never notices.
    """
    interrupts = 0

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupts
        interrupts += 1
        if not stop_on_interrupt or interrupts > 1:
            raise KeyboardInterrupt
        if not is_running(run, run.read_record()):
            # It has just ended: the next attempt must not get this stop.
            return
        try:
            ask(run, "stop", by="Ctrl-C")
        except Problem as problem:
            say.note(f"\n{problem}")
        else:
            say.note("\nstopping after a checkpoint; Ctrl-C again leaves it to itself")

    previous = signal.signal(signal.SIGINT, interrupted)
    printer = _Printer(live=sys.stderr.isatty() and not quiet, quiet=quiet)
    events = RunEvents(run.events, from_attempt)
    try:
        while True:
            # Looked at before reading: what was written before the end is then never missed.
            over = not is_running(run, run.read_record())
            for event in events.read_new():
                printer.show(event)
            printer.flush()
            if over:
                return view(run)
            time.sleep(POLL_SECONDS)
    finally:
        printer.close()
        signal.signal(signal.SIGINT, previous)


class _Printer:
    """Turns events into lines. `live` rewrites one status line in place on stderr."""

    def __init__(self, *, live: bool, quiet: bool) -> None:
        self._live = live
        self._quiet = quiet
        self._status = ""
        self._shown = ""
        self._told = 0.0
        self._samples: Counter[str] = Counter()

    def show(self, event: Event) -> None:
        text = describe(event)
        if text is None or self._quiet:
            return
        if isinstance(event, Sample) and event.step is None:
            self._samples[event.stage] += 1
            if self._samples[event.stage] > SAMPLES_SHOWN:
                return
        if isinstance(event, (Step, Progress)):
            self._status = text
            last = isinstance(event, Step) and event.step == event.total_steps
            if not self._live and (last or event.time - self._told >= QUIET_SECONDS):
                self._told = event.time
                self._line(text, event.time)
        else:
            self._line(text, event.time)

    def flush(self) -> None:
        if self._live and self._status != self._shown:
            self._shown = self._status
            sys.stderr.write(f"\r\x1b[K{shorten(self._status, _columns() - 1)}")
            sys.stderr.flush()

    def close(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _line(self, text: str, at: float) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            self._shown = ""
        say.note(f"{time.strftime('%H:%M:%S', time.localtime(at))}  {plain(text)}")


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def describe(event: Event) -> str | None:
    """One event as one line of plain text; None for what a log does not need."""
    teller = _TELLERS.get(type(event))
    return teller(event) if teller else None


def _step(event: Step) -> str:
    parts = [f"step {event.step}/{event.total_steps}"]
    parts.append("loss not finite" if event.loss is None else f"loss {event.loss:.4f}")
    parts.append(f"lr {event.learning_rate:.2e}")
    if event.grad_norm is not None:
        parts.append(f"grad {event.grad_norm:.2f}")
    parts.append(f"{event.tokens_per_second:.0f} tok/s")
    if event.eta_seconds is not None:
        parts.append(f"left {duration(event.eta_seconds)}")
    return "  ".join(parts)


def _progress(event: Progress) -> str:
    left = f"  left {duration(event.eta_seconds)}" if event.eta_seconds is not None else ""
    return f"{plain(event.stage)}: {event.done}/{event.total} {plain(event.unit)}{left}"


def _stage_done(event: StageDone) -> str:
    told = event.result.get("verdict")
    return f"{event.stage}: done in {duration(event.seconds)}" + (
        f"; {plain(str(told))}" if told else ""
    )


def _memory(event: Memory) -> str:
    return (
        f"peak {event.what}: predicted {size(event.predicted_bytes)} "
        f"(safe {size(event.safe_bytes)}), measured {size(event.measured_bytes)}"
    )


def _sample(event: Sample) -> str:
    mark = "=" if event.want == event.got else "≠"
    when = f"step {event.step}:" if event.step is not None else plain(event.stage)
    more = " …" if event.cut else ""
    return f"{when} row {event.row + 1} {mark} {shorten(event.got, 90)}{more}"


_TELLERS: dict[type, Callable[..., str | None]] = {
    State: lambda e: f"run {e.state}" + (f": {plain(e.because)}" if e.because else ""),
    StageStarted: lambda e: f"{e.stage}: {plain(e.title)}",
    StageDone: _stage_done,
    Progress: _progress,
    Step: _step,
    Evaluated: lambda e: f"step {e.step}: eval loss {e.eval_loss:.4f}",
    Checkpoint: lambda e: f"checkpoint at step {e.step} ({size(e.bytes)}), read back: {e.because}",
    Sample: _sample,
    Memory: _memory,
    Note: lambda e: plain(e.text),
    Warned: lambda e: f"warning: {plain(e.what)}; {plain(e.why)}; {plain(e.cure)}",
    Failed: lambda e: f"FAILED: {plain(e.what)}; why: {plain(e.why)}; cure: {plain(e.cure)}",
    Answered: lambda e: f"{e.command}: {plain(e.answer)}",
}
