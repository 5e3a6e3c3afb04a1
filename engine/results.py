"""What the stages of a run gave, as far as it has come: results/<stage>.json, typed."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from tunewright.engine.evidence.decision import Decided
from tunewright.engine.evidence.result import Evidence, Pilot
from tunewright.engine.prove.baseline import Baseline
from tunewright.engine.prove.evaluate import Evaluation
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.session import Environment
from tunewright.engine.ship.merge import MergeResult
from tunewright.engine.train.result import TrainResult
from tunewright.hardware.errors import Exit, Problem

T = TypeVar("T")


class Results(msgspec.Struct, frozen=True):
    """The whole result of each stage; None while it has not finished."""

    baseline: Baseline | None
    train: TrainResult | None
    evaluation: Evaluation | None
    merge: MergeResult | None
    environment: Environment | None
    evidence: Evidence | None = None
    pilot: Pilot | None = None
    decided: Decided | None = None


def read_results(run: RunDir) -> Results:
    """All results of a run that are there. A `Problem` when one of them is damaged."""
    return Results(
        _read(run, "baseline", Baseline),
        _read(run, "train", TrainResult),
        _read(run, "evaluate", Evaluation),
        _read(run, "merge", MergeResult),
        _read(run, "environment", Environment),
        _read(run, "evidence", Evidence),
        _read(run, "pilot", Pilot),
        read_decision(run),
    )


def read_decision(run: RunDir) -> Decided | None:
    """The verdict of an evidence run with what it was made from; None while it has none."""
    return _read(run, "decision", Decided)


def _read(run: RunDir, stage: str, kind: type[T]) -> T | None:
    path = run.results / f"{stage}.json"
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Problem(
            f"{path} cannot be read",
            why=str(error),
            cure="it is written whole by the run, so another version or another program wrote "
            "it; report with the version that ran",
            exit=Exit.FAILED,
        ) from error
