"""Every setting of a run with its reason: from the method, the data, the model and the device.

The figures are those of the seed's tables (LoRA r 16 and alpha 2r, 2e-4, effective batch 8 to 64,
warmup 0.03, weight decay 0.01, 1 to 5 epochs), adapted by what was measured on the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.example import DataFacts
from tunewright.engine.plan import DEVICES, Decision
from tunewright.engine.train.method import Capability, Method
from tunewright.engine.train.rules.batch import (
    count_steps,
    decide_batch,
    rows_an_epoch,
)
from tunewright.engine.train.rules.book import Book
from tunewright.engine.train.rules.cadence import decide_cadence
from tunewright.engine.train.rules.consistency import check_together, refuse_foreign
from tunewright.engine.train.rules.learning import decide_adapter, decide_optimization
from tunewright.engine.train.rules.precision import decide_precision, decide_quantization
from tunewright.engine.train.rules.rows import decide_length, decide_loss
from tunewright.engine.train.rules.samples import decide_samples
from tunewright.hardware.memory.estimate import Device
from tunewright.hardware.shapes import ModelShape


def default_settings(
    method: Method,
    facts: DataFacts,
    shape: ModelShape,
    *,
    device: Device,
    capability: Capability = None,
    seed: int = 42,
    overrides: Mapping[str, Any] | None = None,
    micro_batch: int | None = None,
    checkpointing: bool = False,
    devices: int = 1,
) -> dict[str, Decision]:
    """Decisions of the groups training, model, loss and the method's own, and of the answers shown
    while it trains, by full key.

    `overrides` are a person's values by full key, already checked (`names.parse_settings`); what
    depends on them follows. `micro_batch` (rows) and `checkpointing` are what a planner tries when
    the first choice does not fit: see `lighter`. `devices` share the rows of a step. `Problem` when
    values contradict each other or are for another method.
    """
    overrides = overrides or {}
    refuse_foreign(overrides, method)
    book = Book(overrides)
    if devices > 1:
        told = f"{devices} processes, one on each device, with a copy of the model each (DDP)"
        book.decide(DEVICES, devices, told, "device.asked-together")
    decide_precision(book, method, device, capability)
    decide_loss(book, facts)
    decide_length(book, facts, shape, device)
    decide_optimization(book, method, facts, shape, device)
    rows = rows_an_epoch(book.values, facts)
    decide_batch(book, rows, facts, device, micro_batch, checkpointing)
    decide_cadence(book, method, rows, facts)
    decide_samples(book, facts)
    if method.trainable == "lora":
        decide_adapter(book, facts)
    if "quantization" in method.groups:
        decide_quantization(book, method, device, capability)
    book.decide(
        "training.seed",
        seed,
        "the session's seed: adapter weights, dropout and the order of rows come from it",
        "seed.session",
    )
    for key, value in overrides.items():
        group = key.partition(".")[0]
        if key not in book.decisions and group in method.groups:
            book.decisions[key] = Decision(value=value, because="you set it", rule="override")
    check_together(book.values, device)
    return book.decisions


def lighter(micro_batch: int) -> list[tuple[int, bool]]:
    """(rows a micro-batch, activation checkpointing) to try in turn, each needing less memory.

    A smaller micro-batch costs a little speed; checkpointing computes the forward pass twice (a
    fifth to a third slower), so it comes after two halvings, and then from the full batch again.
    """
    halves = [micro_batch]
    while halves[-1] > 1:
        halves.append(halves[-1] // 2)
    return [(rows, False) for rows in halves[:3]] + [(rows, True) for rows in halves]


def total_steps(settings: Mapping[str, Decision], facts: DataFacts) -> int:
    """Optimizer steps of the whole run, as the Trainer will count them (packing: an estimate)."""
    values = {key: decision.value for key, decision in settings.items()}
    return count_steps(values, rows_an_epoch(values, facts))
