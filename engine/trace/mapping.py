"""The closed form's setup of a step in the terms of a trace."""

from __future__ import annotations

from typing import Any

import msgspec

from tunewright.engine.trace.setup import Float, Kernel, Loss, TraceSetup, Weights
from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.estimate import TrainingSetup

# What the closed form knows of and a trace does not run, by field: the one value that is traced.
_ONLY: dict[str, Any] = {
    "trainer": "sft",
    "offload": "none",
    "checkpointing": "full",
    "compiled": False,
    "optimizer_in_backward": False,
    "modules_to_save": [],
}
_TRACED_WEIGHTS = ("float32", "bfloat16", "float16", "nf4")
_KERNELS: dict[str, Kernel] = {"sdpa": "sdpa", "flash": "flash_attention_2", "eager": "eager"}


def trace_setup(setup: TrainingSetup) -> TraceSetup:
    """The same step through TRL's SFTTrainer, with 16-bit autocast on CUDA; Problem for what only
    the closed form covers."""
    # By name, since the closed form covers more from version to version.
    facts: dict[str, Any] = msgspec.to_builtins(setup)
    for field, value in _ONLY.items():
        if facts.get(field, value) != value:
            raise _only_closed_form(f"{field} {facts[field]!r}", f"only {field} {value!r} is")
    if setup.weights not in _TRACED_WEIGHTS:
        raise _only_closed_form(
            f"weights in {setup.weights}", "only " + ", ".join(_TRACED_WEIGHTS) + " are"
        )
    cuda = setup.device == "cuda"
    lora = setup.trainable == "lora"
    kind = str(facts.get("adapter", "lora"))
    if lora and kind not in ("lora", "dora"):
        raise _only_closed_form(f"the adapter {kind}", "only lora and dora are, from a setup")
    sharding = str(facts.get("sharding", "none"))
    if sharding not in ("none", "fsdp"):
        raise _only_closed_form(f"sharding {sharding}", "only none and fsdp are")
    half: Float = "float16" if setup.weights == "float16" else "bfloat16"
    own: Float = "bfloat16" if setup.adapter_bytes == 2 else "float32"
    loss: Loss = facts.get("loss_kernel") or (
        "chunked" if facts.get("chunked_loss", True) else "plain"
    )
    return TraceSetup(
        device=setup.device,
        weights=msgspec.convert(setup.weights, Weights),
        trainable="adapter" if lora else "all",
        optimizer=setup.optimizer,
        micro_batch=setup.micro_batch,
        seq_len=setup.seq_len,
        gradient_checkpointing=setup.gradient_checkpointing,
        adapter=_lora(setup, dora=kind == "dora") if lora else {},
        adapter_dtype=own if lora else None,
        compute=half if cuda else "float32",
        autocast=half if cuda else None,
        loss=loss,
        attention=_KERNELS[facts.get("attention", "sdpa")],
        masked=setup.packed or setup.micro_batch > 1,
        packed=setup.packed,
        gradient_accumulation=setup.gradient_accumulation,
        sharding="fsdp" if sharding == "fsdp" else "none",
        devices=int(facts.get("devices", 1)) if sharding == "fsdp" else 1,
    )


def _lora(setup: TrainingSetup, *, dora: bool) -> dict[str, Any]:
    targets = setup.target_modules
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": setup.rank,
        "lora_alpha": 2 * setup.rank,
        "lora_dropout": 0.05 if setup.lora_dropout else 0.0,
        "target_modules": targets if isinstance(targets, str) else list(targets),
        "use_dora": dora,
    }


def _only_closed_form(what: str, why: str) -> Problem:
    return Problem(
        f"a step with {what} cannot be traced",
        why=f"{why} run on fake tensors",
        cure="size it without --trace: the closed form covers it",
    )
