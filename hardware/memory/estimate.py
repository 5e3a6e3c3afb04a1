"""What a memory prediction is: named line items that add up, with a range and a safe bound."""

from __future__ import annotations

from typing import Literal

import msgspec

Weights = Literal["float32", "bfloat16", "float16", "nf4"]
Device = Literal["cuda", "cpu"]


class TrainingSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything about one training step that changes its memory.

    `trainable` is "all" (full fine-tuning) or "lora" (adapters of `rank` on `target_modules`,
    "all-linear" or module names as peft takes them). `micro_batch` rows of `seq_len` tokens.
    `chunked_loss`: the loss never holds all logits at once (TRL's default for SFT).
    `gradient_accumulation`: several micro-batches a step, so gradients live through the next one.
    `packed`: rows are joined into one, kept apart by an attention mask over all of it.
    """

    device: Device
    weights: Weights
    trainable: Literal["all", "lora"]
    optimizer: str
    micro_batch: int
    seq_len: int
    gradient_checkpointing: bool
    rank: int = 0
    target_modules: str | tuple[str, ...] = "all-linear"
    adapter_bytes: int = 4
    lora_dropout: bool = False
    chunked_loss: bool = True
    gradient_accumulation: bool = False
    packed: bool = False


class MemoryItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the sum: `id`, its bytes, and `why` (the formula with its numbers, in words)."""

    id: str
    bytes: int
    why: str


class MemoryEstimate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Predicted peak of one device. `expected_bytes` is the sum of `items`; `low`..`high` the range
    that is likely; `safe_bytes` the bound to plan with. `assumptions` in words."""

    items: tuple[MemoryItem, ...]
    expected_bytes: int
    low_bytes: int
    high_bytes: int
    safe_bytes: int
    assumptions: tuple[str, ...]
