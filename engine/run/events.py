"""What a run says while it works: typed events, one JSON object a line, one file per writer.

A reader ignores a torn last line and kinds that it does not know, so old readers follow new runs.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

# The supervisor's answer to a command that the worker obeys at its next step.
HANDED_ON = "passed to the worker"


class _Event(msgspec.Struct, frozen=True, tag_field="kind", kw_only=True, omit_defaults=True):
    seq: int = 0
    time: float = 0.0


class State(_Event, frozen=True, tag="state"):
    """The run's state as the supervisor sees it."""

    state: Literal["starting", "running", "paused", "stopping", "stopped", "done", "failed"]
    because: str = ""


class StageStarted(_Event, frozen=True, tag="stage_started"):
    stage: str
    title: str


class StageDone(_Event, frozen=True, tag="stage_done"):
    """`result` is the short summary; the whole result stands in results/<stage>.json."""

    stage: str
    seconds: float
    result: dict[str, Any] = {}


class Progress(_Event, frozen=True, tag="progress"):
    """Work inside a stage other than training steps, e.g. answers generated."""

    stage: str
    done: int
    total: int
    unit: str
    eta_seconds: float | None = None


class Step(_Event, frozen=True, tag="step"):
    """One optimizer step. `tokens` counts all tokens since step 0, across resumes; `eta_seconds`
    is the time left of this stage; memory is the process's peak so far, in bytes."""

    step: int
    total_steps: int
    epoch: float
    loss: float | None
    learning_rate: float
    grad_norm: float | None
    tokens: int
    tokens_per_second: float
    step_seconds: float
    eta_seconds: float | None = None
    host_bytes: int | None = None
    gpu_bytes: int | None = None
    gpu_reserved_bytes: int | None = None


class Evaluated(_Event, frozen=True, tag="evaluated"):
    """Loss on the held-out rows at a step (mean over trained tokens, in nats)."""

    step: int
    eval_loss: float
    seconds: float


class Checkpoint(_Event, frozen=True, tag="checkpoint"):
    """A checkpoint was written and read back. `path` is relative to the run directory."""

    step: int
    path: str
    bytes: int
    because: str


class Sample(_Event, frozen=True, tag="sample"):
    """A held-out row answered: what was wanted and what came. Text of data and model: untrusted.

    While training, `asked` is what the row asks last, `step` says after which one it was answered
    (0: the base model), `seconds` what that cost, and `cut` that it reached its limit of tokens."""

    stage: str
    row: int
    want: str
    got: str
    step: int | None = None
    seconds: float | None = None
    cut: bool = False
    asked: str = ""


class Memory(_Event, frozen=True, tag="memory"):
    """Predicted beside measured peak of the training stage, in bytes of `what`."""

    what: Literal["host rss", "gpu allocated"]
    predicted_bytes: int
    safe_bytes: int
    measured_bytes: int


class Note(_Event, frozen=True, tag="note"):
    text: str


class Warned(_Event, frozen=True, tag="warned"):
    what: str
    why: str
    cure: str


class Failed(_Event, frozen=True, tag="failed"):
    """What ended the attempt; `exit` is the process exit code it leads to."""

    what: str
    why: str
    cure: str
    exit: int = 1


class Answered(_Event, frozen=True, tag="answered"):
    """The supervisor's or worker's answer to a control command; `id` is the command's."""

    id: str
    command: str
    answer: str


Event = (
    State
    | StageStarted
    | StageDone
    | Progress
    | Step
    | Evaluated
    | Checkpoint
    | Sample
    | Memory
    | Note
    | Warned
    | Failed
    | Answered
)


class EventWriter:
    """Appends events to one file, each line whole in one write; numbers and dates them.

    Not shared between processes: a writer owns its file (`events/<attempt>-<writer>.jsonl`).
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._seq = 0
        self._torn = False
        self._encode = msgspec.json.Encoder().encode

    def write(self, event: Event) -> None:
        """Append `event` with the next sequence number and the time now (Unix seconds).

        OSError when it cannot be written, or not whole: the next one then starts on a new line.
        """
        self._seq += 1
        stamped = msgspec.structs.replace(event, seq=self._seq, time=round(time.time(), 3))
        line = self._encode(stamped) + b"\n"
        if self._torn:
            line = b"\n" + line
        left = memoryview(line)
        try:
            # A disk that is about to be full takes a part of a line, and only then complains.
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:
            self._torn = self._torn or len(left) < len(line)
            raise
        self._torn = False

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
