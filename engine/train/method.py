"""What a training method is: one descriptor with its sizing as data. No heavy import."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from tunewright.engine.plan import DEVICES
from tunewright.hardware.memory.estimate import Device, LossKernel, TrainingSetup, Weights

Capability = tuple[int, int] | None
Float = Literal["float32", "bfloat16", "float16"]

# The first compute capability (Ampere) whose tensor cores take bfloat16. Older cards emulate it.
BFLOAT16_FROM = (8, 0)

_BYTES: dict[Float, int] = {"float32": 4, "bfloat16": 2, "float16": 2}


class Precision(msgspec.Struct, frozen=True):
    """Number formats of one method on one kind of device.

    `weights` holds the base model; `trained` the parameters that learn; `compute` the arithmetic of
    the forward pass (mixed precision when it differs from `trained`). `because` is for people.
    """

    weights: Weights
    trained: Float
    compute: Float
    because: str

    @property
    def load_dtype(self) -> Float:
        """What `from_pretrained(dtype=...)` is given: a quantized base keeps its rest in this."""
        if self.weights == "float32" or self.weights == "bfloat16" or self.weights == "float16":
            return self.weights
        return self.compute

    @property
    def mixed(self) -> Literal["bf16", "fp16"] | None:
        """The autocast flag of TrainingArguments that gives this precision, if any."""
        if self.compute == "float32":
            return None
        return "bf16" if self.compute == "bfloat16" else "fp16"


class Method(msgspec.Struct, frozen=True):
    """One way to fine-tune. A member is a module in `methods/` that sets `METHOD`.

    `trainable` is "all" or "lora"; `bfloat16`, `float16` and `cpu` are its number formats on CUDA
    from compute capability 8.0 on, on older CUDA devices, and without a GPU. `groups` are the
    settings groups that it uses, `settings` what it fixes in them (value and reason), `needs` the
    packages that a worker must have, `makes` the folder of the run directory with its result, `run`
    its stage as "module:function".
    """

    id: str
    title: str
    trade_off: str
    trainable: Literal["all", "lora"]
    bfloat16: Precision
    float16: Precision
    cpu: Precision
    groups: tuple[str, ...]
    needs: tuple[str, ...]
    learning_rate: float
    learning_rate_because: str
    optimizer: dict[Device, tuple[str, str]]
    makes: Literal["adapter", "model"]
    settings: tuple[tuple[str, Any, str], ...] = ()
    run: str = "tunewright.engine.train.sft:run"

    @property
    def in_short(self) -> str:
        """The first clause of the trade-off, for a narrow column."""
        return re.split(r"[:,;(]", self.trade_off)[0].strip()

    def precision(self, device: Device, capability: Capability = None) -> Precision:
        """Number formats on this device; an unknown capability is taken for an old one."""
        if device == "cpu":
            return self.cpu
        return self.bfloat16 if capability and capability >= BFLOAT16_FROM else self.float16

    def weights(self, device: Device, capability: Capability = None) -> Weights:
        """What the base model is held in: the first line of every memory estimate."""
        return self.precision(device, capability).weights

    def training_setup(
        self,
        device: Device,
        capability: Capability,
        settings: Mapping[str, Any],
        longest_row: int,
    ) -> TrainingSetup:
        """What the memory estimate needs, from setting values by full key.

        `longest_row` in tokens after the template: without packing no batch is padded further.
        """
        precision = self.precision(device, capability)
        max_length = settings["training.max_length"]
        packed = settings["training.packing"]
        targets = settings.get("lora.target_modules", "all-linear")
        loaded = settings.get("model.dtype", precision.load_dtype)
        lora = self.trainable == "lora"
        devices = settings.get(DEVICES, 1)
        return TrainingSetup(
            device=device,
            weights="nf4" if precision.weights == "nf4" else loaded,
            trainable=self.trainable,
            optimizer=settings["training.optim"],
            micro_batch=settings["training.per_device_train_batch_size"],
            seq_len=max_length if packed else min(max_length, longest_row),
            gradient_checkpointing=settings["training.activation_checkpointing"],
            rank=settings.get("lora.r", 0) if lora else 0,
            target_modules=targets if isinstance(targets, str) else tuple(targets),
            adapter_bytes=_BYTES[precision.trained],
            lora_dropout=lora and settings.get("lora.lora_dropout", 0.0) > 0,
            loss_kernel=_loss_kernel(settings),
            gradient_accumulation=settings["training.gradient_accumulation_steps"] > 1,
            packed=packed,
            sharding="ddp" if devices > 1 else "none",
            devices=devices,
        )


def _loss_kernel(settings: Mapping[str, Any]) -> LossKernel:
    """TRL's loss never holds all logits, except where labels are smoothed; Liger's holds none."""
    if settings.get("training.label_smoothing_factor", 0.0) > 0:
        return "plain"
    return "fused" if settings.get("training.use_liger_kernel") else "chunked"
