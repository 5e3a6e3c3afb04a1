"""The closed form's setup of a step in the terms of a trace."""

from __future__ import annotations

from typing import Any

import msgspec

from tunewright.engine.trace.setup import Float, Kernel, Sharding, TraceSetup, Weights
from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.estimate import Attention, TrainingSetup

# What the closed form knows of and a trace does not run, by field: the values that it does run.
_TRACED: dict[str, tuple[Any, ...]] = {
    "weights": ("float32", "bfloat16", "float16", "nf4"),
    "adapter": ("lora", "dora"),
    "checkpointing": ("full",),
    "modules_to_save": ((),),
    "sharding": ("none", "ddp", "fsdp"),
    "offload": ("none",),
    "trainer": ("sft", "dpo"),
    "compiled": (False,),
    "optimizer_in_backward": (False,),
}
_KERNELS: dict[Attention, Kernel] = {
    "sdpa": "sdpa",
    "flash": "flash_attention_2",
    "eager": "eager",
}


def trace_setup(setup: TrainingSetup) -> TraceSetup:
    """The same step through TRL's SFTTrainer or DPOTrainer, with 16-bit autocast on CUDA; Problem
    for what only the closed form covers."""
    for field, values in _TRACED.items():
        found = getattr(setup, field)
        if found not in values:
            raise Problem(
                f"a step with {field} {found!r} cannot be traced",
                why="on fake tensors only " + " or ".join(map(repr, values)) + " is run",
                cure="size it without --trace: the closed form covers it",
            )
    cuda = setup.device == "cuda"
    lora = setup.trainable == "lora"
    half: Float = "float16" if setup.weights == "float16" else "bfloat16"
    own: Float = "bfloat16" if setup.adapter_bytes == 2 else "float32"
    # Of the kinds of sharding these are left.
    sharding = msgspec.convert(setup.sharding, Sharding)
    dpo = setup.trainer == "dpo"
    return TraceSetup(
        device=setup.device,
        weights=msgspec.convert(setup.weights, Weights),
        trainable="adapter" if lora else "all",
        optimizer=setup.optimizer,
        micro_batch=setup.micro_batch,
        seq_len=setup.seq_len,
        gradient_checkpointing=setup.gradient_checkpointing,
        adapter=_adapter(setup) if lora else {},
        adapter_dtype=own if lora else None,
        compute=half if cuda else "float32",
        autocast=half if cuda else None,
        loss=setup.loss_kernel,
        attention=_KERNELS[setup.attention],
        # Of one pair the two answers differ in length.
        masked=setup.packed or setup.micro_batch > 1 or dpo,
        packed=setup.packed,
        gradient_accumulation=setup.gradient_accumulation,
        sharding=sharding,
        devices=1 if sharding == "none" else setup.devices,
        trainer="dpo" if dpo else "sft",
    )


def _adapter(setup: TrainingSetup) -> dict[str, Any]:
    targets = setup.target_modules
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": setup.rank,
        "lora_alpha": 2 * setup.rank,
        "lora_dropout": 0.05 if setup.lora_dropout else 0.0,
        "target_modules": targets if isinstance(targets, str) else list(targets),
        "use_dora": setup.adapter == "dora",
    }
