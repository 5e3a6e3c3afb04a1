"""What is traced, and what a trace tells: plain structs that cross the process border as JSON."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tunewright.engine.trace.log import Family
from tunewright.hardware.memory.estimate import Device

Sharding = Literal["none", "ddp", "fsdp"]
Loss = Literal["chunked", "plain", "fused"]
Kernel = Literal["sdpa", "eager", "flash_attention_2"]
Float = Literal["float32", "bfloat16", "float16"]
Weights = Literal["float32", "bfloat16", "float16", "nf4"]
# How checkpointed layers run, in the words of transformers.
CHECKPOINTING = {"use_reentrant": False, "preserve_rng_state": False}


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
    `sharding` "fsdp": the first of `devices` ranks, with each decoder layer a unit of FSDP2;
    "ddp": one of them, with all of the model.
    `trainer` "dpo": `micro_batch` pairs of answers, each of `seq_len`; the reference is the model
    with its adapter switched off, or when all is trained a frozen copy.
    `every_layer`: trace them all, also where a few would do.
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
    sharding: Sharding = "none"
    devices: int = 1
    trainer: Literal["sft", "dpo"] = "sft"
    every_layer: bool = False

    @property
    def has_mask(self) -> bool:
        """Whether a mask reaches the kernel. FlashAttention's package goes by the rows' lengths
        instead (what it copies to leave out padding is not traced)."""
        return self.masked and self.attention != "flash_attention_2"

    @property
    def holds_reference(self) -> bool:
        """Whether a second model stands beside the one that is trained."""
        return self.trainer == "dpo" and self.trainable == "all"


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
    `phases`: highest allocated bytes of each phase ("_more": of the second micro-batch, when
    gradients accumulate; "reference": DPO's pass without gradients); `peak_phase` the highest of
    them. `items` add up to `allocated_bytes`, by family; `at_peak` are its largest groups.
    `layers_traced` of `layers` were run, the equal ones between them repeated. `versions` of what
    was run.
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
    """Why there is no figure: the parts of a Problem."""

    what: str
    why: str
    cure: str


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the worker writes: one of the two."""

    result: TraceResult | None = None
    refusal: Refusal | None = None
