"""The knobs of the Method screen: which settings a person turns most, and in which steps.

A pure table. What a step costs is not in it: that is found by planning with it (`engine.sizing`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tunewright.engine.train.method import Method
from tunewright.hardware.shapes import ModelShape


class Knob(NamedTuple):
    """`key` is the setting in full, `title` what it is called in a narrow column, `steps` its
    values for a model in the order in which `>` walks them, the cheapest in memory first."""

    key: str
    title: str
    steps: Callable[[ModelShape], Sequence[Any]]


_ATTENTION = (
    "q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "out_proj", "c_attn", "query_key_value",
    "Wqkv", "dense",
)  # fmt: skip
_LENGTHS = tuple(n for k in range(6, 18) for n in (1 << k, 3 << (k - 1)))


def _always(*values: Any) -> Callable[[ModelShape], Sequence[Any]]:
    return lambda shape: values


def _lengths(shape: ModelShape) -> Sequence[int]:
    context = shape.max_position_embeddings
    return [n for n in _LENGTHS if context is None or n <= context]


def _ranks(shape: ModelShape) -> Sequence[int]:
    narrowest = min((min(m.in_features, m.out_features) for m in shape.linears), default=256)
    return [rank for rank in (4, 8, 16, 32, 64, 128, 256) if rank <= narrowest]


def _targets(shape: ModelShape) -> Sequence[Any]:
    """Fewer places first: queries and values, all of attention, every linear layer."""
    names = {linear.name for linear in shape.linears}
    attention = [name for name in _ATTENTION if name in names]
    steps: list[Any] = []
    if {"q_proj", "v_proj"} <= names:
        steps.append(["q_proj", "v_proj"])
    if attention and len(attention) < len(names) and attention not in steps:
        steps.append(attention)
    return [*steps, "all-linear"]


_POWERS = tuple(1 << k for k in range(9))

KNOBS: tuple[Knob, ...] = (
    Knob("lora.r", "rank", _ranks),
    Knob("lora.target_modules", "targets", _targets),
    Knob("training.max_length", "max length", _lengths),
    Knob("training.per_device_train_batch_size", "micro-batch", _always(*_POWERS)),
    Knob("training.gradient_accumulation_steps", "accumulate", _always(*_POWERS)),
    Knob("training.activation_checkpointing", "checkpointing", _always(True, False)),
    Knob("training.packing", "packing", _always(False, True)),
    Knob(
        "training.optim",
        "optimizer",
        _always("adafactor", "paged_adamw_8bit", "adamw_8bit", "adamw_torch_fused"),
    ),
    Knob("training.num_train_epochs", "epochs", _always(1, 2, 3, 4, 5, 7, 10)),
    Knob(
        "training.learning_rate",
        "learning rate",
        _always(1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3),
    ),
)


def knobs_of(method: Method) -> tuple[Knob, ...]:
    """The knobs that a method has a use for."""
    return tuple(knob for knob in KNOBS if knob.key.partition(".")[0] in method.groups)


def stepped(knob: Knob, now: Any, by: int, shape: ModelShape) -> Any | None:
    """The value `by` (1 or -1) steps from `now`, which need be no step itself; None at the end."""
    steps = list(knob.steps(shape))
    if now in steps:
        at = steps.index(now) + by
        return steps[at] if 0 <= at < len(steps) else None
    if isinstance(now, (int, float)) and not isinstance(now, bool):
        beyond = [step for step in steps if (step > now if by > 0 else step < now)]
        return None if not beyond else (beyond[0] if by > 0 else beyond[-1])
    # A value of one's own, like a list of modules: the first step on that side.
    return None if not steps else (steps[-1] if by > 0 else steps[0])


def told(value: Any) -> str:
    """A value as it is shown: on and off, few digits, lists by their heads."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, (list, tuple)):
        names = [str(name).removesuffix("_proj") for name in value]
        return "+".join(names)
    return _SHORT.get(str(value), str(value))


_SHORT = {
    "adamw_torch_fused": "AdamW",
    "adamw_torch": "AdamW loop",
    "adamw_8bit": "AdamW 8b",
    "paged_adamw_8bit": "paged 8b",
}
