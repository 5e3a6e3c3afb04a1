"""What a stage gets to work with, and what it may do. Light: stages import the heavy stack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from tunewright.engine.run.events import Event
from tunewright.engine.session import Session

R = TypeVar("R")


class Orders(Protocol):
    """What the person asked of the running worker, looked up at step or batch boundaries."""

    def stop_requested(self) -> str | None:
        """The reason to checkpoint and leave ("asked", "supervisor gone"), or None."""

    def take_checkpoint_request(self) -> str | None:
        """The id of a checkpoint command that waits to be served, once; or None."""

    def wait_while_paused(self) -> None:
        """Return at once, or when the pause ends or a stop is requested."""


class NoOrders:
    """Orders where nobody can give any: another rank than the first, a training outside a run."""

    def stop_requested(self) -> str | None:
        return None

    def take_checkpoint_request(self) -> str | None:
        return None

    def wait_while_paused(self) -> None:
        return None


class Stopped(Exception):
    """A stage left early because it was asked to; what it had is kept and can be resumed."""


class Job(msgspec.Struct, frozen=True):
    """One stage's view of its run. Paths are absolute.

    `run_dir` holds everything; `results` reads and writes results/<stage>.json atomically.
    `attempt` counts from 1; `device` is "cpu" or "cuda"; `max_steps` stops training early.
    `threads` by kind of work ("train", "decode"): what a recorded run used; what is missing is
    probed and written to results/threads.json.
    """

    run_dir: Path
    session: Session
    model_dir: Path
    attempt: int
    device: str
    emit: Callable[[Event], None]
    orders: Orders
    max_steps: int | None = None
    threads: dict[str, int] = {}

    def save_result(self, stage: str, result: msgspec.Struct) -> None:
        """Write results/<stage>.json to a temporary name, fsync, rename."""
        from tunewright.engine.files import write_atomic

        folder = self.run_dir / "results"
        folder.mkdir(mode=0o700, exist_ok=True)
        text = msgspec.json.format(msgspec.json.encode(result), indent=1)
        write_atomic(folder / f"{stage}.json", text)

    def load_result(self, stage: str, kind: type[R]) -> R | None:
        """The stored result of a stage, or None if the stage has not finished."""
        path = self.run_dir / "results" / f"{stage}.json"
        if not path.is_file():
            return None
        return msgspec.json.decode(path.read_bytes(), type=kind)

    def setting(self, key: str) -> Any:
        """The planned value of `group.name`; KeyError if there is none."""
        assert self.session.plan is not None
        return self.session.plan.value(key)
