"""Every way to train a model on a machine. Pure.

`make_plan` decides what Tunewright runs; this compares more than that: several devices by sharding,
offloading, and machines that are only imagined. `limits` asks how far it goes, `changes` what a
person would have to change or buy.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tunewright.engine.devices.planned import lowest_capability
from tunewright.engine.text import size
from tunewright.engine.train.method import Method
from tunewright.engine.train.registry import method, methods
from tunewright.hardware.capability import Capability
from tunewright.hardware.fit import Verdict, judge, most_free_gpu, training_memory
from tunewright.hardware.memory.adapters import trainable_parameters
from tunewright.hardware.memory.estimate import (
    Attention,
    Checkpointing,
    Device,
    LossKernel,
    MemoryEstimate,
    Offload,
    Sharding,
    Trainer,
    TrainingSetup,
)
from tunewright.hardware.memory.training import estimate_training
from tunewright.hardware.shapes import ModelShape
from tunewright.hardware.snapshot import Gpu, Snapshot
from tunewright.hardware.speed import Interval, Speed, slowest_of, training_speed


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person wants to know the size of; None leaves it to the rules.

    `tokens` are those of the whole training (rows x epochs), for the hours; `sharding` "auto" tries
    every kind that the machine's devices allow.
    """

    seq_len: int = 2048
    micro_batch: int | None = None
    method: str | None = None
    rank: int = 16
    targets: str | tuple[str, ...] = "all-linear"
    checkpointing: bool | None = None
    checkpointing_kind: Checkpointing = "full"
    optimizer: str | None = None
    attention: Attention = "sdpa"
    loss_kernel: LossKernel = "chunked"
    packing: bool = False
    sharding: str = "auto"
    offload: Offload | None = None
    trainer: Trainer = "sft"
    tokens: int | None = None


class Option(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way: a method on `devices` devices. `free_bytes` is that of the one with the least; the
    estimate is for each. `runs_here`: this program can launch it; else it is sized only."""

    method: str
    sharding: Sharding
    offload: Offload
    devices: int
    setup: TrainingSetup
    verdict: Verdict
    estimate: MemoryEstimate
    free_bytes: int
    host_free_bytes: int
    speed: Speed | None
    hours: Interval | None
    disk_bytes: int
    trade_off: str
    runs_here: bool

    @property
    def id(self) -> str:
        """A short name: "lora", "full fsdp x8", "full zero3 x4 offload"."""
        if self.devices == 1:
            return self.method
        moved = " offload" if self.offload != "none" else ""
        return f"{self.method} {self.sharding} x{self.devices}{moved}"

    @property
    def headroom_bytes(self) -> int:
        """What is left beside the safe bound; negative where it does not fit."""
        return self.free_bytes - self.estimate.safe_bytes


_SHARDINGS: tuple[tuple[Sharding, Offload], ...] = (
    ("ddp", "none"), ("zero2", "none"), ("fsdp", "none"), ("zero3", "none"), ("fsdp", "all"),
)  # fmt: skip
_SHARED_WORDS = {
    "none": "",
    "ddp": "a whole copy on each device, which average their gradients",
    "zero1": "optimizer state shared",
    "zero2": "gradients and optimizer state shared",
    "zero3": "everything shared by DeepSpeed, parameters gathered layer by layer",
    "fsdp": "everything shared by FSDP2, parameters gathered layer by layer",
}


def options(shape: ModelShape, machine: Snapshot, ask: Ask) -> tuple[Option, ...]:
    """Every way that `ask` leaves open, methods in their order and one device before several."""
    found: list[Option] = []
    wanted = [ask.method] if ask.method else list(methods())
    for id in wanted:
        for sharding, offload, devices in _ways(machine, ask):
            option = _option(shape, machine, ask, id, sharding, offload, devices)
            if option is not None:
                found.append(option)
    return tuple(found)


def recommend(found: tuple[Option, ...]) -> tuple[Option | None, str, str]:
    """(the one to take, because, rule): what is safe before what is tight, LoRA before QLoRA before
    full fine-tuning, one device before several, since nothing then waits for another."""
    for verdict in ("fits", "tight"):
        fitting = [option for option in found if option.verdict == verdict]
        for id in ("lora", "qlora", "full"):
            own = [option for option in fitting if option.method == id]
            if own:
                best = own[0]
                margin = size(abs(best.headroom_bytes))
                text = f"{best.id} fits with {margin} to spare"
                if verdict == "tight":
                    text = f"{best.id} is tight: its safe bound is {margin} over what is free"
                return best, text, f"size.{id}-{verdict}"
    return None, "nothing fits", "size.nothing-fits"


def _ways(machine: Snapshot, ask: Ask) -> Iterator[tuple[Sharding, Offload, int]]:
    count = len(_usable(machine))
    if ask.sharding in ("auto", "none"):
        yield "none", ask.offload or "none", 1
    if ask.sharding == "none" or count < 2:
        if ask.sharding not in ("auto", "none"):
            yield ask.sharding, ask.offload or "none", max(1, count)  # type: ignore[misc]
        return
    for sharding, offload in _SHARDINGS:
        if ask.sharding not in ("auto", sharding):
            continue
        if ask.offload not in (None, offload):
            continue
        yield sharding, offload, count
    named = {sharding for sharding, _ in _SHARDINGS}
    if ask.sharding not in ("auto", *named):
        yield ask.sharding, ask.offload or "none", count  # type: ignore[misc]


def _usable(machine: Snapshot) -> list[Gpu]:
    """Devices that can share a training: those whose free memory is known."""
    return [gpu for gpu in machine.gpus if gpu.free_bytes is not None]


def _option(
    shape: ModelShape,
    machine: Snapshot,
    ask: Ask,
    id: str,
    sharding: Sharding,
    offload: Offload,
    devices: int,
) -> Option | None:
    device, free, _ = training_memory(machine)
    own = method(id)
    if _is_pointless(own, ask, device, sharding, offload, devices):
        return None
    taken: list[Gpu] = []
    if device == "cuda":
        alone = most_free_gpu(machine)
        taken = _usable(machine) if devices > 1 or alone is None else [alone]
        free = min(gpu.free_bytes or 0 for gpu in taken)
    sharding = sharding if devices > 1 else "none"
    setup = _setup(own, ask, device, lowest_capability(taken), sharding, offload, devices)
    host_free = machine.host.ram_available_bytes
    setup, estimate, verdict = _lightened(shape, setup, ask, free, host_free)
    speed = training_speed(shape, setup, slowest_of(taken), machine.host, _linked(machine))
    words = own.trade_off
    if devices > 1:
        words += f"; {_SHARED_WORDS[sharding]}"
    if offload != "none":
        words += ", parameters in host memory: slow"
    return Option(
        method=id,
        sharding=sharding,
        offload=offload,
        devices=devices,
        setup=setup,
        verdict=verdict,
        estimate=estimate,
        free_bytes=free,
        host_free_bytes=host_free,
        speed=speed,
        hours=speed.hours(ask.tokens) if speed is not None and ask.tokens else None,
        disk_bytes=disk_bytes(shape, setup),
        trade_off=words,
        runs_here=sharding in ("none", "ddp") and offload == "none",
    )


def _is_pointless(
    own: Method, ask: Ask, device: Device, sharding: Sharding, offload: Offload, devices: int
) -> bool:
    """Whether a way cannot work, or gains nothing and was not asked for."""
    if device == "cpu" and devices > 1:
        return True
    if own.id == "qlora" and sharding == "zero3":
        return True  # DeepSpeed does not share bitsandbytes' packed weights
    if own.trainable != "lora":
        return False
    # Adapters are so small that sharing their state gains nothing over DDP.
    shares_state = sharding in ("zero2", "zero3") and ask.sharding == "auto"
    return shares_state or (offload == "all" and ask.offload is None)


def _setup(
    own: Method,
    ask: Ask,
    device: Device,
    capability: Capability | None,
    sharding: Sharding,
    offload: Offload,
    devices: int,
) -> TrainingSetup:
    """The step that is asked for; the batch and checkpointing are still to be found."""
    precision = own.precision(device, capability)
    return TrainingSetup(
        device=device,
        weights=precision.weights,
        trainable=own.trainable,
        optimizer=ask.optimizer or own.optimizer[device][0],
        micro_batch=1,
        seq_len=ask.seq_len,
        gradient_checkpointing=True,
        rank=ask.rank if own.trainable == "lora" else 0,
        target_modules=ask.targets,
        adapter_bytes=4 if precision.trained == "float32" else 2,
        loss_kernel=ask.loss_kernel,
        attention=ask.attention,
        checkpointing=ask.checkpointing_kind,
        packed=ask.packing,
        sharding=sharding,
        devices=devices,
        offload=offload,
        trainer=ask.trainer,
    )


def _lightened(
    shape: ModelShape, setup: TrainingSetup, ask: Ask, free: int, host_free: int
) -> tuple[TrainingSetup, MemoryEstimate, Verdict]:
    """The fastest batch and checkpointing that fit; the lightest where none does."""
    for rows, checkpointing in _lighter(ask):
        setup = msgspec.structs.replace(
            setup, micro_batch=rows, gradient_checkpointing=checkpointing
        )
        estimate = estimate_training(shape, setup)
        verdict = judge(estimate, free)
        if estimate.host_bytes > host_free:
            verdict = "no"
        if verdict == "fits":
            break
    return setup, estimate, verdict


def _lighter(ask: Ask) -> Iterator[tuple[int, bool]]:
    """(rows, checkpointing) from the fastest to the lightest, within what was asked."""
    rows = [ask.micro_batch] if ask.micro_batch else [8, 4, 2, 1]
    kinds = [ask.checkpointing] if ask.checkpointing is not None else [False, True]
    for checkpointing in kinds:
        for count in rows:
            yield count, checkpointing


def _linked(machine: Snapshot) -> bool:
    """Whether every pair of devices has NVLink between."""
    return bool(machine.pairs) and all(pair.nvlinks for pair in machine.pairs)


def disk_bytes(shape: ModelShape, setup: TrainingSetup) -> int:
    """What a run writes: two checkpoints with their optimizer state, and the result; a merged model
    in 16 bits where adapters are trained."""
    if setup.trainable == "all":
        checkpoint = shape.parameters * (4 + 8)
        return 2 * checkpoint + 2 * shape.parameters
    adapters = trainable_parameters(shape, setup.rank, setup.target_modules)
    return 2 * adapters * (4 + 8) + 4 * adapters + 2 * shape.parameters
