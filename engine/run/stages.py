"""The stages a run can have, in their order. A new stage is one row and one module."""

from __future__ import annotations

import msgspec


class Stage(msgspec.Struct, frozen=True):
    """`run` names `module:function`, imported only by a worker; it takes a `Job`. `asked`: it runs
    only where a session names it, since it is no part of a training. `needs` are the stages of the
    same run whose results it takes."""

    id: str
    title: str
    run: str
    asked: bool = False
    needs: tuple[str, ...] = ()


STAGES: tuple[Stage, ...] = (
    Stage(
        "evidence", "measure prompting and retrieval", "tunewright.engine.evidence.stage:run", True
    ),
    Stage("pilot", "train on a slice", "tunewright.engine.evidence.pilot:run", True),
    Stage("decision", "decide", "tunewright.engine.evidence.decision:run", True, ("evidence",)),
    Stage("probe", "two steps on the longest rows", "tunewright.engine.train.probe:run", True),
    Stage("baseline", "measure the base model", "tunewright.engine.prove.baseline:run"),
    Stage("train", "train", "tunewright.engine.train.sft:run"),
    Stage(
        "evaluate",
        "measure the tuned model",
        "tunewright.engine.prove.evaluate:run",
        needs=("train",),
    ),
    Stage("merge", "merge and verify", "tunewright.engine.ship.merge:run", needs=("train",)),
)


# Those of an evidence run, in their order.
EVIDENCE = ("evidence", "pilot", "decision")


def stage(id: str) -> Stage:
    """The stage of that id; KeyError if there is none."""
    return {stage.id: stage for stage in STAGES}[id]
