"""The stages a run can have, in their order. A new stage is one row and one module."""

from __future__ import annotations

import msgspec


class Stage(msgspec.Struct, frozen=True):
    """`run` names `module:function`, imported only by a worker; it takes a `Job`."""

    id: str
    title: str
    run: str


STAGES: tuple[Stage, ...] = (
    Stage("baseline", "measure the base model", "tunewright.engine.prove.baseline:run"),
    Stage("train", "train", "tunewright.engine.train.sft:run"),
    Stage("evaluate", "measure the tuned model", "tunewright.engine.prove.evaluate:run"),
    Stage("merge", "merge and verify", "tunewright.engine.ship.merge:run"),
)


def stage(id: str) -> Stage:
    """The stage of that id; KeyError if there is none."""
    return {stage.id: stage for stage in STAGES}[id]
