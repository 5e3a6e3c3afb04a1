"""Jobs on the tiny model for tests that really train: a session, a plan, and what was said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jobs
import msgspec
from tiny import HIDDEN, INTERMEDIATE, LAYERS, TinyData

from tunewright.engine.data.example import DataFacts
from tunewright.engine.plan import Decision, MethodFit, Plan, PlannedStage
from tunewright.engine.run.events import Event, Step
from tunewright.engine.run.job import Job
from tunewright.engine.session import (
    VERSION,
    DataInput,
    Environment,
    Inputs,
    Recorded,
    Session,
)
from tunewright.engine.train.defaults import default_settings
from tunewright.engine.train.registry import method
from tunewright.hardware.memory.estimate import MemoryEstimate, MemoryItem
from tunewright.hardware.shapes import Linear, ModelShape
from tunewright.hardware.snapshot import Host, Snapshot

E = TypeVar("E")

FACTS = msgspec.structs.replace(
    jobs.FACTS,
    train_tokens=2200,
    trained_tokens=1300,
    length_max=56,
    answer_p95=28,
    answer_max=30,
)

SHAPE = ModelShape(
    model_type="llama",
    hidden_size=HIDDEN,
    intermediate_size=INTERMEDIATE,
    num_hidden_layers=LAYERS,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    vocab_size=448,
    tie_word_embeddings=True,
    max_position_embeddings=512,
    parameters=103_000,
    weights_dtype="float32",
    weight_bytes=412_000,
    linears=(
        Linear("q_proj", HIDDEN, HIDDEN, LAYERS),
        Linear("k_proj", HIDDEN, HIDDEN // 2, LAYERS),
        Linear("v_proj", HIDDEN, HIDDEN // 2, LAYERS),
        Linear("o_proj", HIDDEN, HIDDEN, LAYERS),
        Linear("gate_proj", HIDDEN, INTERMEDIATE, LAYERS),
        Linear("up_proj", HIDDEN, INTERMEDIATE, LAYERS),
        Linear("down_proj", INTERMEDIATE, HIDDEN, LAYERS),
    ),
)

# Twelve steps: two epochs of six, so that a run crosses an epoch's end.
SHORT: dict[str, Any] = {
    "training.learning_rate": 2e-3,
    "training.num_train_epochs": 2,
    "training.per_device_train_batch_size": 4,
    "training.gradient_accumulation_steps": 2,
    "training.eval_steps": 4,
    "training.save_steps": 4,
}


class Script:
    """Orders as a test writes them: `stop_at` and `checkpoint_at` count looks, one a step.

    The first look at `stop_requested` is the one before training.
    """

    def __init__(self, stop_at: int | None = None, checkpoint_at: int | None = None) -> None:
        self._stop_at, self._checkpoint_at = stop_at, checkpoint_at
        self._looks = -1
        self._boundaries = 0
        self.pauses = 0

    def stop_requested(self) -> str | None:
        self._looks += 1
        return "asked" if self._stop_at is not None and self._looks >= self._stop_at else None

    def take_checkpoint_request(self) -> str | None:
        if self._checkpoint_at is not None and self._boundaries >= self._checkpoint_at:
            self._checkpoint_at = None
            return "7-checkpoint"
        return None

    def wait_while_paused(self) -> None:
        self._boundaries += 1
        self.pauses += 1


class Run:
    """A run directory that attempts are started in; `events` are those of the last attempt."""

    def __init__(
        self,
        folder: Path,
        model: Path,
        data: TinyData,
        method_id: str = "lora",
        overrides: dict[str, Any] | None = None,
    ) -> None:
        self.folder, self.model = folder, model
        self.threads = {"train": 1}
        self.events: list[Event] = []
        folder.mkdir(exist_ok=True)
        settings = default_settings(
            method(method_id),
            FACTS,
            SHAPE,
            device="cpu",
            overrides=SHORT | (overrides or {}),
        )
        item = MemoryItem("weights", 412_000, "103,000 x 4 bytes")
        estimate = MemoryEstimate((item,), 412_000, 400_000, 500_000, 600_000, ())
        self.session = Session(
            version=VERSION,
            inputs=Inputs(
                name="tiny",
                model=str(model),
                data=DataInput(path=str(data.train), eval_path=str(data.eval)),
            ),
            plan=Plan(
                method=Decision(method_id, "the test says so", "test"),
                device=Decision("cpu", "the test says so", "test"),
                settings=settings,
                stages=(PlannedStage("train", "train"),),
                fits=(MethodFit(method_id, "fits", 1 << 30, estimate),),
            ),
        )

    def record(self, facts: DataFacts) -> None:
        """Enter facts of the data as a planner would have seen them."""
        self.session = msgspec.structs.replace(
            self.session,
            recorded=Recorded(
                snapshot=Snapshot(taken_at=0.0, host=Host("host", "cpu", 1, (), 1 << 33, 1 << 33)),
                environment=Environment("3.11", "linux x86_64", {}, ()),
                data=facts,
                model=SHAPE,
            ),
        )

    def train(self, orders: Script | None = None, max_steps: int | None = None) -> list[Event]:
        """One attempt; raises what the stage raises."""
        from tunewright.engine.train.sft import run

        self.events = []
        run(self.job(self.events.append, orders, max_steps))
        return self.events

    def job(
        self,
        emit: Callable[[Event], None],
        orders: Script | None = None,
        max_steps: int | None = None,
    ) -> Job:
        return Job(
            run_dir=self.folder,
            session=self.session,
            model_dir=self.model,
            attempt=1,
            device="cpu",
            emit=emit,
            orders=orders or Script(),
            max_steps=max_steps,
            threads=self.threads,
        )

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def losses(self) -> dict[int, float | None]:
        return {event.step: event.loss for event in self.of(Step)}
