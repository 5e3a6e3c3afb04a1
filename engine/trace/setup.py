"""What is traced, and what a trace tells: plain structs that cross the process border as JSON."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tunewright.engine.trace.log import Family
from tunewright.hardware.memory.estimate import Device, TrainingSetup, Weights

Loss = Literal["chunked", "plain", "fused"]
Kernel = Literal["sdpa", "eager", "flash_attention_2"]
Float = Literal["float32", "bfloat16", "float16"]


class TraceSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One training step to trace.

    `weights` holds the base model (nf4 is doubly quantised; the rest of it is in `compute`).
    `trainable` "all", or "adapter": `adapter` are peft's own settings, `peft_type` among them.
    `adapter_dtype` None leaves it to peft (float32 for a 16-bit base). `autocast` is the dtype of
    mixed precision. `optimizer` is a name of TrainingArguments.optim. `loss`: "chunked" is TRL's
    head that never holds all logits, "plain" transformers' cross-entropy, "fused" Liger's.
    `masked`: rows differ in length, or are `packed` into one, so attention gets a mask.
    `gradient_accumulation`: a second micro-batch runs on top of the gradients of the first.
    `holds_output`: the script keeps model outputs until the next step has new ones, and clears
    gradients only then, as a hand-written loop does; the Trainer does not.
    """

    device: Device
    weights: Weights
    trainable: Literal["all", "adapter"]
    optimizer: str
    micro_batch: int
    seq_len: int
    gradient_checkpointing: bool = False
    adapter: dict[str, Any] = {}
    adapter_dtype: Float | None = None
    compute: Float = "bfloat16"
    autocast: Float | None = None
    loss: Loss = "chunked"
    attention: Kernel = "sdpa"
    masked: bool = False
    packed: bool = False
    gradient_accumulation: bool = False
    clip: bool = True
    holds_output: bool = False
    prepare_kbit: bool = False
    expandable_segments: bool = False
    every_layer: bool = False


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes that one group of storages holds at the peak: `name` is its module and operation,
    with "*" for the layer number, `count` how many storages."""

    family: Family
    name: str
    bytes: int
    count: int


class TraceResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The peak of one step, in bytes.

    `allocated_bytes` is what torch.cuda.max_memory_allocated would say and `reserved_bytes` its
    max_memory_reserved (None on a CPU, which has no such cache); without the CUDA context.
    `phases`: highest allocated bytes of each phase; `peak_phase` the highest of them. `items` add
    up to `allocated_bytes`, by family; `at_peak` are its largest groups. `layers_traced` of
    `layers` were run, the equal ones between them repeated. `versions` of what was run.
    """

    allocated_bytes: int
    reserved_bytes: int | None
    phases: dict[str, int]
    peak_phase: str
    items: dict[Family, int]
    at_peak: tuple[Held, ...]
    trained_parameters: int
    layers: int
    layers_traced: int
    seconds: float
    versions: dict[str, str]
    assumptions: tuple[str, ...]


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the worker reads: a config.json by its text, and the step."""

    config: dict[str, Any]
    setup: TraceSetup


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The worker's answer when there is no figure: the parts of a Problem."""

    what: str
    why: str
    cure: str


def trace_setup(setup: TrainingSetup) -> TraceSetup:
    """The same step as the closed form's, in the terms of a trace: through TRL's SFTTrainer, with
    16-bit autocast on CUDA."""
    cuda = setup.device == "cuda"
    lora = setup.trainable == "lora"
    half: Float = "float16" if setup.weights == "float16" else "bfloat16"
    targets = setup.target_modules
    adapter: dict[str, Any] = {}
    if lora:
        adapter = {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "r": setup.rank,
            "lora_alpha": 2 * setup.rank,
            "lora_dropout": 0.05 if setup.lora_dropout else 0.0,
            "target_modules": targets if isinstance(targets, str) else list(targets),
        }
    return TraceSetup(
        device=setup.device,
        weights=setup.weights,
        trainable="adapter" if lora else "all",
        optimizer=setup.optimizer,
        micro_batch=setup.micro_batch,
        seq_len=setup.seq_len,
        gradient_checkpointing=setup.gradient_checkpointing,
        adapter=adapter,
        adapter_dtype=("bfloat16" if setup.adapter_bytes == 2 else "float32") if lora else None,
        compute=half if cuda else "float32",
        autocast=half if cuda else None,
        loss="chunked" if setup.chunked_loss else "plain",
        masked=setup.packed or setup.micro_batch > 1,
        packed=setup.packed,
        gradient_accumulation=setup.gradient_accumulation,
    )
