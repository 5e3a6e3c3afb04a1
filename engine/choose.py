"""Every way to train a model on a machine, what would make it fit, and the reverse questions. Pure.

`make_plan` decides what Tunewright runs; this compares more than that: several devices by sharding,
machines that are only imagined, and what a person would have to change or buy.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tunewright.engine.devices import lowest_capability
from tunewright.engine.text import size
from tunewright.engine.train.registry import method, methods
from tunewright.hardware.catalogue import Part, catalogue
from tunewright.hardware.fit import Verdict, judge, largest, most_free_gpu, training_memory
from tunewright.hardware.memory.estimate import (
    Attention,
    Checkpointing,
    LossKernel,
    MemoryEstimate,
    Offload,
    Sharding,
    TrainingSetup,
)
from tunewright.hardware.memory.training import estimate_training
from tunewright.hardware.model_catalogue import known_models
from tunewright.hardware.shapes import ModelShape
from tunewright.hardware.snapshot import Gpu, Snapshot
from tunewright.hardware.speed import Interval, Speed, slowest_of, training_speed

_LONGEST = 1 << 20
_MOST_ROWS = 1 << 12


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
    trainer: str = "sft"
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


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to change so that it fits, with what it costs in words and the option after it."""

    what: str
    costs: str
    option: Option


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
    gpus = _usable(machine)
    own = method(id)
    if device == "cpu" and devices > 1:
        return None
    if own.trainable == "lora" and sharding in ("zero2", "zero3") and ask.sharding == "auto":
        return None  # adapters are so small that sharing their state gains nothing over DDP
    if own.trainable == "lora" and offload == "all" and ask.offload is None:
        return None
    if id == "qlora" and sharding == "zero3":
        return None  # DeepSpeed does not share bitsandbytes' packed weights
    taken: list[Gpu] = []
    if device == "cuda":
        alone = most_free_gpu(machine)
        taken = gpus if devices > 1 or alone is None else [alone]
        free = min(gpu.free_bytes or 0 for gpu in taken)
    precision = own.precision(device, lowest_capability(taken))

    def setup(rows: int, checkpointing: bool) -> TrainingSetup:
        return TrainingSetup(
            device=device,
            weights=precision.weights,
            trainable=own.trainable,
            optimizer=ask.optimizer or own.optimizer[device][0],
            micro_batch=rows,
            seq_len=ask.seq_len,
            gradient_checkpointing=checkpointing,
            rank=ask.rank if own.trainable == "lora" else 0,
            target_modules=ask.targets,
            adapter_bytes=4 if precision.trained == "float32" else 2,
            loss_kernel=ask.loss_kernel,
            attention=ask.attention,
            checkpointing=ask.checkpointing_kind,
            packed=ask.packing,
            sharding=sharding if devices > 1 else "none",
            devices=devices,
            offload=offload,
            trainer=ask.trainer,  # type: ignore[arg-type]
        )

    host_free = machine.host.ram_available_bytes
    tried = list(_lighter(ask))
    chosen, estimate, verdict = setup(*tried[-1]), None, "no"
    for rows, checkpointing in tried:
        chosen = setup(rows, checkpointing)
        estimate = estimate_training(shape, chosen)
        verdict = judge(estimate, free)
        if estimate.host_bytes > host_free:
            verdict = "no"
        if verdict == "fits":
            break
    assert estimate is not None
    speed = training_speed(shape, chosen, slowest_of(taken), machine.host, _linked(machine))
    tokens = ask.tokens
    words = own.trade_off
    if devices > 1:
        words += f"; {_SHARED_WORDS[sharding]}"
    if offload != "none":
        words += ", parameters in host memory: slow"
    return Option(
        method=id,
        sharding=chosen.sharding,
        offload=offload,
        devices=devices,
        setup=chosen,
        verdict=verdict,  # type: ignore[arg-type]
        estimate=estimate,
        free_bytes=free,
        host_free_bytes=host_free,
        speed=speed,
        hours=speed.hours(tokens) if speed is not None and tokens else None,
        disk_bytes=disk_bytes(shape, chosen),
        trade_off=words,
        runs_here=chosen.sharding in ("none", "ddp") and offload == "none",
    )


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
    from tunewright.hardware.memory.training import trainable_parameters

    adapters = trainable_parameters(shape, setup.rank, setup.target_modules)
    return 2 * adapters * (4 + 8) + 4 * adapters + 2 * shape.parameters


def cheapest_changes(
    shape: ModelShape, machine: Snapshot, ask: Ask, model: str | None = None
) -> tuple[Change, ...]:
    """What to change where nothing fits, the cheapest first; each was tried, and fits."""
    tried: list[tuple[str, str, Ask, ModelShape, Snapshot]] = []

    def say(what: str, costs: str, asked: Ask, other: ModelShape = shape,
            where: Snapshot = machine) -> None:  # fmt: skip
        tried.append((what, costs, asked, other, where))

    replace = msgspec.structs.replace
    if ask.micro_batch and ask.micro_batch > 1:
        one = replace(ask, micro_batch=1)
        say("--micro-batch 1", "more accumulation, a little slower; the same result", one)
    if ask.checkpointing is False:
        on = replace(ask, checkpointing=True, micro_batch=1)
        say("--grad-ckpt on", "a quarter to a third slower; the same result", on)
    if ask.loss_kernel == "plain":
        say("--loss-kernel chunked", "nothing", replace(ask, loss_kernel="chunked"))
    light = replace(ask, micro_batch=1, checkpointing=True)
    if ask.optimizer not in ("paged_adamw_8bit", "adamw_8bit"):
        eight = replace(light, optimizer="adamw_8bit")
        say("--optimizer adamw_8bit", "the state's last bits, which no test shows", eight)
    if ask.method == "full":
        lora = replace(light, method="lora", optimizer=None)
        say("--method lora", "less capacity for what is far from the base", lora)
    if ask.method in ("full", "lora"):
        qlora = replace(light, method="qlora", optimizer=None)
        say("--method qlora", "slower steps, a little quality", qlora)
    if ask.rank > 8 and ask.method != "full":
        say("--rank 8", "capacity of the adapter", replace(light, rank=8))
    any_method = replace(light, method=None, optimizer=None)
    shorter = longest_rows(shape, machine, any_method)
    if 0 < shorter < ask.seq_len:
        say(
            f"--seq-len {shorter}",
            "longer rows are cut or left out",
            replace(any_method, seq_len=shorter),
        )
    smaller = largest_model(machine, any_method, below=shape.parameters)
    if smaller is not None:
        name, other, _ = smaller
        say(f"a smaller model: {name}", "what the larger one knows", any_method, other)
    box = smallest_machine(
        shape, replace(ask, micro_batch=None, checkpointing=None, sharding="auto")
    )
    found: list[Change] = []
    for what, costs, asked, other, where in tried:
        fitting = [one for one in options(other, where, asked) if one.verdict == "fits"]
        if fitting:
            found.append(Change(what, costs, fitting[0]))
    if box is not None:
        count, part, option = box
        found.append(Change(f"another machine: {count}x {part.name}", "money", option))
    return tuple(found)


def longest_rows(shape: ModelShape, machine: Snapshot, ask: Ask) -> int:
    """The longest rows, in tokens, with which something fits; 0 when none does."""
    most = shape.max_position_embeddings or _LONGEST

    def fits(length: int) -> bool:
        found = options(shape, machine, msgspec.structs.replace(ask, seq_len=length))
        return any(option.verdict == "fits" for option in found)

    return largest(fits, most)


def most_rows(shape: ModelShape, machine: Snapshot, ask: Ask) -> int:
    """The largest micro-batch, in rows, with which something fits; 0 when none does."""

    def fits(rows: int) -> bool:
        found = options(shape, machine, msgspec.structs.replace(ask, micro_batch=rows))
        return any(option.verdict == "fits" for option in found)

    return largest(fits, _MOST_ROWS)


def largest_model(
    machine: Snapshot, ask: Ask, below: int | None = None
) -> tuple[str, ModelShape, Option] | None:
    """(id, shape, option) of the largest model of the catalogue that fits; `below` so many
    parameters."""
    rows = sorted(known_models().values(), key=lambda row: -row.parameters)
    for row in rows:
        if below is not None and row.parameters >= below:
            continue
        shape = row.shape
        if ask.seq_len > (shape.max_position_embeddings or _LONGEST):
            continue
        named = msgspec.structs.replace(ask, targets="all-linear")
        for option in options(shape, machine, named):
            if option.verdict == "fits":
                return row.id, shape, option
    return None


def smallest_machine(shape: ModelShape, ask: Ask) -> tuple[int, Part, Option] | None:
    """(count, part, option): the machine with the least memory that would do, of one, two, four or
    eight devices of a part in the catalogue; of equal ones that with less power."""
    from tunewright.hardware.whatif import imagine

    boxes = sorted(
        ((count, part) for part in catalogue() if not part.unified for count in (1, 2, 4, 8)),
        key=lambda box: (box[0] * box[1].memory_bytes, box[0] * box[1].watts),
    )
    # Whoever chooses a machine does not choose one that computes from host memory.
    held = ask if ask.offload else msgspec.structs.replace(ask, offload="none")
    seen: set[tuple[int, int]] = set()
    for count, part in boxes:
        capacity = (count, part.memory_bytes)
        if capacity in seen:
            continue
        seen.add(capacity)
        machine = imagine(f"{count}x {part.name}")
        for option in options(shape, machine, held):
            if option.verdict == "fits" and option.devices == count:
                return count, part, option
    return None
