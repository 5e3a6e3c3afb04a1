"""How many rows a step takes, and how many steps that makes."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from tunewright.engine.data.example import DataFacts
from tunewright.engine.plan import DEVICES
from tunewright.engine.train.rules.book import Book
from tunewright.hardware.memory.estimate import Device

# Tokens of one micro-batch: enough to fill the device, little enough to plan with.
_MICRO_BATCH_TOKENS: dict[Device, int] = {"cuda": 8192, "cpu": 2048}
# Below so many optimizer steps a schedule has no room for warmup, decay and a trend to look at.
_ENOUGH_STEPS = 100


def rows_an_epoch(values: Mapping[str, Any], facts: DataFacts) -> int:
    """Sequences in one pass over the data; for packed rows an estimate from their tokens."""
    if not values["training.packing"]:
        return facts.rows
    length: int = values["training.max_length"]
    return max(1, min(facts.rows, ceil(facts.train_tokens / length)))


def count_steps(values: Mapping[str, Any], rows: int) -> int:
    """Optimizer steps of a run over `rows` sequences an epoch, as the Trainer counts them."""
    asked: int = values.get("training.max_steps", -1)
    if asked > 0:
        return asked
    micro: int = values["training.per_device_train_batch_size"]
    accumulation: int = values["training.gradient_accumulation_steps"]
    epochs: float = values["training.num_train_epochs"]
    at_once: int = micro * values.get(DEVICES, 1)
    return max(1, ceil(epochs * ceil(ceil(rows / at_once) / accumulation)))


def decide_batch(
    book: Book,
    rows: int,
    facts: DataFacts,
    device: Device,
    micro_batch: int | None,
    checkpointing: bool,
) -> None:
    """Micro-batch, accumulation and evaluation batch; `micro_batch` caps it to what fits."""
    values = book.values
    epochs, asked = values["training.num_train_epochs"], values.get("training.max_steps", -1)
    sizes = (64, 32, 16) if rows >= 200_000 else (32, 16) if rows >= 50_000 else (16,)
    effective = next(
        (size for size in (*sizes, 8, 4, 2) if asked > 0 or rows * epochs / size >= _ENOUGH_STEPS),
        2,
    )
    length = values["training.max_length"]
    longest = length if values["training.packing"] else min(length, facts.length_max)
    fills = max(1, _MICRO_BATCH_TOKENS[device] // max(1, longest))
    devices = values.get(DEVICES, 1)
    fixed = book.overrides.get("training.gradient_accumulation_steps", 1) * devices
    most = min(max(1, effective // fixed), micro_batch or fills, max(1, rows // devices))
    micro = 1 << (most.bit_length() - 1)
    because = f"{micro} rows of up to {longest} tokens at once"
    if micro_batch:
        because += " are what memory allows"
    elif micro * 2 > fills:
        because += f" fill the {device.upper()}"
    else:
        because += ": all of a step, in one pass"
    micro = book.decide(
        "training.per_device_train_batch_size", micro, because, "batch.micro.tokens"
    )
    accumulation = max(1, round(effective / (micro * devices)))
    step = micro * accumulation * devices
    steps = ceil(rows * epochs / step)
    why = ": the usual effective batch, stable without being slow"
    if step != effective:
        # Two devices of one row each make more than a rule of one row.
        forced = "the batch that you set gives" if devices == 1 else "these devices give at least"
        why = f", as {forced}; {effective} would be the rule"
    elif effective < 16:
        why = f": smaller than the usual 16, so that these rows still make about {steps} steps"
    book.decide(
        "training.gradient_accumulation_steps",
        accumulation,
        f"{micro} x {accumulation}{f' x {devices} devices' if devices > 1 else ''} = {step} rows a "
        f"step{why}",
        "batch.effective.rows",
    )
    book.decide(
        "training.per_device_eval_batch_size",
        micro,
        "never larger than the training batch, so that an evaluation cannot run out of memory",
        "batch.eval",
    )
    book.decide(
        "training.activation_checkpointing",
        checkpointing,
        "does not fit otherwise: activations are computed again in the backward pass, a fifth to "
        "a third slower"
        if checkpointing
        else "fits without: computing activations twice would cost a fifth to a third of the speed",
        "checkpointing.memory",
    )
