"""Training steps that are sized in tests: LoRA and full fine-tuning, with their usual settings."""

from __future__ import annotations

from typing import Any

import msgspec

from tunewright.hardware.memory.estimate import TrainingSetup


def changed(setup: TrainingSetup, **fields: Any) -> TrainingSetup:
    """The step with some settings changed."""
    return msgspec.structs.replace(setup, **fields)


LORA = TrainingSetup(
    device="cuda",
    weights="bfloat16",
    trainable="lora",
    optimizer="adamw_torch_fused",
    micro_batch=1,
    seq_len=1024,
    gradient_checkpointing=True,
    rank=16,
)
FULL = changed(LORA, weights="float32", trainable="all", rank=0)
