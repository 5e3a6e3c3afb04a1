"""What a memory prediction is: named line items that add up, with a range and a safe bound."""

from __future__ import annotations

from typing import Literal

import msgspec

# Storage of the frozen or trained base. "nf4" and "int8" are bitsandbytes, quantised while loading;
# the others are checkpoints that come quantised.
Weights = Literal[
    "float32", "bfloat16", "float16", "nf4", "int8", "fp8", "gptq4", "gptq8", "awq4", "mxfp4"
]
Device = Literal["cuda", "cpu"]
LossKernel = Literal["plain", "chunked", "fused"]
Attention = Literal["sdpa", "flash", "eager"]
Checkpointing = Literal["full", "selective", "offloaded"]
Sharding = Literal["none", "ddp", "zero1", "zero2", "zero3", "fsdp"]
Offload = Literal["none", "optimizer", "all"]
Trainer = Literal["sft", "dpo", "orpo", "kto", "reward", "ppo", "grpo", "rloo"]
# What a figure counts: torch's allocations, what torch took from the driver, or all of the process.
Measure = Literal["allocated", "reserved", "device"]


class TrainingSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything about one training step that changes its memory.

    `trainable` is "all" (full fine-tuning) or "lora" (adapters of `rank` on `target_modules`,
    "all-linear" or module names as peft takes them); `adapter` is which kind (a peft_type in lower
    case). `micro_batch` rows of `seq_len` tokens. `loss_kernel`: "plain" holds all logits,
    "chunked" a tile of them (TRL's default for SFT), "fused" none. `gradient_accumulation`: several
    micro-batches a step, so gradients live through the next one. `packed`: rows are joined into
    one, kept apart by an attention mask over all of it; `even_rows`: each is padded to `seq_len`.
    `checkpointing` is how, where `gradient_checkpointing` is on. `modules_to_save` are trained as
    whole copies beside adapters. `devices` share what `sharding` says; `offload` names what lives
    in host memory. `reduce_bucket`: values in one of DeepSpeed's buckets, where its file names
    them. `stack` is the library versions whose coefficients count (`stacks.STACKS`).
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
    loss_kernel: LossKernel = "chunked"
    gradient_accumulation: bool = False
    packed: bool = False
    even_rows: bool = False
    adapter: str = "lora"
    adapter_parameters: int | None = None
    double_quant: bool = True
    attention: Attention = "sdpa"
    checkpointing: Checkpointing = "full"
    modules_to_save: tuple[str, ...] = ()
    sharding: Sharding = "none"
    devices: int = 1
    offload: Offload = "none"
    trainer: Trainer = "sft"
    compiled: bool = False
    optimizer_in_backward: bool = False
    reduce_bucket: int | None = None
    stack: str = "trl-1.16"


class MemoryItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the sum: `id`, its bytes, and `why` (the formula with its numbers, in words)."""

    id: str
    bytes: int
    why: str


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A figure with its likely range and the bound to plan with, bytes."""

    expected_bytes: int
    low_bytes: int
    high_bytes: int
    safe_bytes: int


class MemoryEstimate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Predicted peak of one device. `expected_bytes` is the sum of `items`; `low`..`high` the range
    that is likely; `safe_bytes` the bound to plan with. `assumptions` in words.

    On CUDA these are what nvidia-smi shows for the process; `allocated` and `reserved` are torch's
    own two figures (`max_memory_allocated`, `max_memory_reserved`). On the CPU there is one figure,
    the resident size, and both are None. `host_bytes` is what offloading puts into host memory.
    `stages` are the expected peaks of the stages beside training (evaluation, merge), where the
    largest of all is the estimate.
    """

    items: tuple[MemoryItem, ...]
    expected_bytes: int
    low_bytes: int
    high_bytes: int
    safe_bytes: int
    assumptions: tuple[str, ...]
    allocated: Range | None = None
    reserved: Range | None = None
    host_bytes: int = 0
    stages: tuple[MemoryItem, ...] = ()

    def measured_as(self, measure: Measure) -> Range:
        """The same prediction in another count: "allocated" and "reserved" by torch, or the whole
        of the process on its device."""
        whole = Range(self.expected_bytes, self.low_bytes, self.high_bytes, self.safe_bytes)
        own = {"allocated": self.allocated, "reserved": self.reserved, "device": whole}[measure]
        return own or whole
