"""Values that contradict each other, or that the method has no use for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.plan import Plan
from tunewright.engine.train.method import Method
from tunewright.engine.train.names import settings as known_settings
from tunewright.engine.train.registry import method as method_of
from tunewright.engine.train.registry import methods
from tunewright.engine.train.rules.samples import ROWS as SAMPLE_ROWS
from tunewright.engine.train.values import check_value
from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.estimate import Device


def refuse_foreign(overrides: Mapping[str, Any], method: Method) -> None:
    """A `Problem` for a setting of a group that belongs to other methods."""
    known = {group for other in methods().values() for group in other.groups}
    for key in overrides:
        group = key.partition(".")[0]
        if group in known and group not in method.groups:
            users = [m.id for m in methods().values() if group in m.groups]
            raise Problem(
                f"{key} means nothing for {method.title}",
                why=f"only {' and '.join(users)} use the settings of {group}",
                cure=f"leave it out, or choose --method {users[0]}",
            )


def check_together(values: Mapping[str, Any], device: Device) -> None:
    """A `Problem` for values that are each right and cannot hold together."""
    if values["training.bf16"] and values["training.fp16"]:
        raise Problem(
            "training.bf16 and training.fp16 are both on",
            why="the arithmetic has one 16-bit format",
            cure="switch one of them off",
        )
    if device == "cpu" and values["training.fp16"]:
        raise Problem(
            "training.fp16 needs a GPU",
            why="loss scaling runs on CUDA only",
            cure="leave it out: a CPU trains in float32",
        )
    evaluates = values["training.eval_strategy"]
    if values[SAMPLE_ROWS] and evaluates == "no":
        raise Problem(
            f"{SAMPLE_ROWS} is {values[SAMPLE_ROWS]}, and nothing is evaluated",
            why="held-out rows are answered at each evaluation of the training",
            cure="--set eval_strategy=steps, or --set sample_rows=0",
        )
    if values["training.load_best_model_at_end"]:
        if evaluates != "steps":
            raise Problem(
                "training.load_best_model_at_end needs evaluations by steps",
                why=f"training.eval_strategy is {evaluates!r}, checkpoints are written by steps",
                cure="--set eval_strategy=steps, or --set load_best_model_at_end=false",
            )
        save, evaluation = values["training.save_steps"], values["training.eval_steps"]
        if save % evaluation:
            raise Problem(
                f"training.save_steps {save} is no multiple of training.eval_steps {evaluation}",
                why="the best evaluation has to be one that was saved",
                cure=f"--set save_steps={evaluation}, or --set load_best_model_at_end=false",
            )


def check_plan(plan: Plan) -> None:
    """A `Problem` for a planned setting that could not have been asked for.

    A plan stands in a file that others may have written: what it says is passed on to libraries,
    and written into ejected scripts.
    """
    method = method_of(plan.method.value)
    fixed = {key: value for key, value, _ in method.settings}
    for key, decision in plan.settings.items():
        if key.partition(".")[0] not in method.groups or fixed.get(key) == decision.value:
            continue
        spec = known_settings().get(key)
        if spec is None:
            raise Problem(
                f"the plan sets {key}, which is no setting of {method.title}",
                why="the session was written by hand or by another version",
                cure="delete its `plan` and plan anew: tunewright --replay SESSION --dry-run",
            )
        check_value(key, decision.value, spec)
