"""How the verb `size` reads its flags into questions, and prints the ways to train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunewright.hardware.errors import Problem
from tunewright.tui import say

if TYPE_CHECKING:
    import argparse

    from tunewright.engine.choose import Ask, Option
    from tunewright.hardware.prices import Prices
    from tunewright.hardware.shapes import ModelShape
    from tunewright.hardware.snapshot import Snapshot

_KINDS = ("off", "on", "full", "selective", "offloaded")
_SHARDINGS = ("auto", "none", "ddp", "zero1", "zero2", "zero3", "fsdp")
_TRAINERS = ("sft", "dpo", "orpo", "kto", "reward", "ppo", "grpo", "rloo")
_LONGEST = 1 << 21
_MOST_ROWS = 1 << 16


def add_ask(parser: argparse.ArgumentParser) -> None:
    """The flags of what is trained, and how."""
    group = parser.add_argument_group("the training")
    group.add_argument("--method", default="auto", help="lora, qlora or full (default: auto)")
    group.add_argument("--rank", type=int, metavar="R", help="of the adapters (default: 16)")
    group.add_argument(
        "--targets", metavar="NAMES", help="all-linear, or module names with commas between"
    )
    group.add_argument(
        "--seq-len", "--max-length", dest="max_length", type=int, metavar="N",
        help="tokens of the longest rows (default: 2048)",
    )  # fmt: skip
    group.add_argument(
        "--micro-batch", "--batch", dest="batch", type=int, metavar="N", help="rows a micro-batch"
    )
    group.add_argument("--grad-ckpt", choices=_KINDS, help="activation checkpointing")
    group.add_argument("--optimizer", metavar="NAME", help="as training.optim, e.g. adamw_8bit")
    group.add_argument("--attn", choices=("sdpa", "flash", "eager"), help="attention kernel")
    group.add_argument("--loss-kernel", choices=("plain", "chunked", "fused"))
    group.add_argument("--packing", action="store_true", help="rows joined up to the length")
    group.add_argument("--sharding", choices=_SHARDINGS, help="over several devices")
    group.add_argument("--offload", choices=("none", "optimizer", "all"), help="to host memory")
    group.add_argument("--trainer", choices=_TRAINERS, default="sft")
    group.add_argument(
        "--tokens", type=int, metavar="N", help="of the whole training, for the hours"
    )


def check_numbers(options: argparse.Namespace) -> None:
    """A `Problem` for a number that cannot be."""
    for flag, value, most in (
        ("--rank", options.rank, 1 << 16),
        ("--seq-len", options.max_length, _LONGEST),
        ("--micro-batch", options.batch, _MOST_ROWS),
        ("--tokens", options.tokens, 1 << 50),
    ):
        if value is not None and not 0 < value <= most:
            raise Problem(
                f"{flag} {value} is not possible",
                why=f"it must be between 1 and {most:,}",
                cure=f"correct {flag}",
            )


def ask_of(options: argparse.Namespace, context: int | None) -> Ask:
    """The question of the flags; rows are 2,048 tokens long, or the model's context."""
    from tunewright.engine.choose import Ask
    from tunewright.engine.data.assumed import LONGEST
    from tunewright.engine.train.registry import method

    if options.method != "auto":
        method(options.method)
    targets: str | tuple[str, ...] = "all-linear"
    if options.targets and options.targets != "all-linear":
        targets = tuple(part.strip() for part in options.targets.split(",") if part.strip())
    kind = options.grad_ckpt
    return Ask(
        seq_len=options.max_length or min(LONGEST, context or LONGEST),
        micro_batch=options.batch,
        method=None if options.method == "auto" else options.method,
        rank=options.rank or 16,
        targets=targets,
        checkpointing=None if kind is None else kind != "off",
        checkpointing_kind=kind if kind in ("selective", "offloaded") else "full",
        optimizer=options.optimizer,
        attention=options.attn or "sdpa",
        loss_kernel=options.loss_kernel or "chunked",
        packing=options.packing,
        sharding=options.sharding or "auto",
        offload=options.offload,
        trainer=options.trainer,
        tokens=options.tokens,
    )


def is_beyond_plans(options: argparse.Namespace) -> bool:
    """Whether a flag asks for what this program can size but not launch."""
    return bool(
        options.sharding not in (None, "none")
        or options.offload not in (None, "none")
        or options.attn not in (None, "sdpa")
        or options.loss_kernel not in (None, "chunked")
        or options.grad_ckpt in ("selective", "offloaded")
        or options.trainer != "sft"
    )


def overrides_of(options: argparse.Namespace) -> dict[str, Any]:
    """The flags as settings of a plan."""
    from tunewright.engine.train.names import parse_setting

    given: list[tuple[str, Any]] = [
        ("training.max_length", options.max_length),
        ("training.per_device_train_batch_size", options.batch),
        ("training.optim", options.optimizer),
        ("training.packing", options.packing or None),
    ]
    if options.grad_ckpt is not None:
        given.append(("training.activation_checkpointing", options.grad_ckpt != "off"))
    if options.method != "full":
        given.append(("lora.r", options.rank))
        targets = options.targets
        if targets and targets != "all-linear":
            targets = [part.strip() for part in targets.split(",") if part.strip()]
        given.append(("lora.target_modules", targets))
    return {name: parse_setting(name, value)[1] for name, value in given if value is not None}


def tell_ways(found: tuple[Option, ...], because: str, chosen: Option | None) -> None:
    """The table of every way, with memory per device, speed and disk."""
    from tunewright.engine.text import size

    say.table(
        ["  way", "verdict", "   expected", "       safe", "free a device", "rows", "tokens/s",
         "hours", "     disk"],
        [
            [
                ("> " if option is chosen else "  ") + option.id,
                option.verdict,
                f"{size(option.estimate.expected_bytes):>11}",
                f"{size(option.estimate.safe_bytes):>11}",
                f"{size(option.free_bytes):>13}",
                f"{option.setup.micro_batch}{'c' if option.setup.gradient_checkpointing else ''}",
                _speed(option),
                _hours(option),
                f"{size(option.disk_bytes):>9}",
            ]
            for option in found
        ],
    )  # fmt: skip
    say.line(f"{because}. (c: checkpointed; of several devices DDP is launched: --device 0+1)")


def _speed(option: Option) -> str:
    if option.speed is None:
        return "unknown"
    rate = option.speed.tokens_per_second
    return f"{rate.expected:,.0f} ({rate.low:,.0f}-{rate.high:,.0f})"


def _hours(option: Option) -> str:
    if option.hours is None:
        return "-"
    return f"{option.hours.expected:.1f} ({option.hours.low:.1f}-{option.hours.high:.1f})"


def way_cost(option: Option, machine: Snapshot, prices: Prices) -> str:
    """What the devices of one way cost, for the tokens that are given or by the hour."""
    import msgspec

    from tunewright.engine.text import plain
    from tunewright.hardware.prices import cost_of

    # As many of the machine's devices as the way uses, those with the most free memory first.
    ranked = sorted(machine.gpus, key=lambda gpu: -(gpu.free_bytes or 0))
    used = tuple(ranked[: option.devices]) if option.setup.device == "cuda" else ()
    cut = {gpu.mig.parent_uuid for gpu in used if gpu.mig is not None}
    split = tuple(gpu for gpu in machine.split if gpu.uuid in cut)
    hour = cost_of(msgspec.structs.replace(machine, gpus=used, split=split), prices)
    if hour is None:
        return "cost: unknown, the price file has none of the devices"
    told = f"cost: {hour.per_hour:.2f} {plain(hour.currency)} an hour of {hour.because}"
    if option.hours is None:
        return f"{told}; --tokens N says how long"
    each = (hour.per_hour * hours for hours in (
        option.hours.expected, option.hours.low, option.hours.high))  # fmt: skip
    expected, low, high = each
    return f"{told}; {option.id} {expected:.2f} ({low:.2f}-{high:.2f}) {plain(hour.currency)}"


def way_data(option: Option) -> dict[str, Any]:
    """One way as JSON data, its estimate in the keys of the whole answer."""
    return {
        "id": option.id,
        "method": option.method,
        "sharding": option.sharding,
        "offload": option.offload,
        "devices": option.devices,
        "fits": option.verdict,
        "free_bytes": option.free_bytes,
        "headroom_bytes": option.headroom_bytes,
        "setup": option.setup,
        "speed": option.speed,
        "hours": option.hours,
        "disk_bytes": option.disk_bytes,
        "trade_off": option.trade_off,
        "runs_here": option.runs_here,
    } | figures(option.estimate)


def figures(estimate: Any) -> dict[str, Any]:
    """The bytes of an estimate by name; on the CPU there is one figure, the resident size."""
    allocated, reserved = estimate.allocated, estimate.reserved
    return {
        "expected_bytes": estimate.expected_bytes,
        "low_bytes": estimate.low_bytes,
        "high_bytes": estimate.high_bytes,
        "safe_bytes": estimate.safe_bytes,
        "allocated_bytes": None if allocated is None else allocated.expected_bytes,
        "reserved_bytes": None if reserved is None else reserved.expected_bytes,
        "host_bytes": estimate.host_bytes,
        "items": estimate.items,
        "assumptions": estimate.assumptions,
    }


def reverse(shape: ModelShape, machine: Snapshot, ask: Ask) -> dict[str, Any]:
    """The reverse questions: what is the most that fits here, and the least that would do."""
    from tunewright.engine.limits import largest_model, longest_rows, most_rows, smallest_machine

    largest = largest_model(machine, ask)
    least = smallest_machine(shape, ask)
    return {
        "longest_rows": longest_rows(shape, machine, ask),
        "most_rows": most_rows(shape, machine, ask),
        "largest_model": None
        if largest is None
        else {"id": largest[0], "parameters": largest[1].parameters, "way": largest[2].id},
        "smallest_machine": None
        if least is None
        else {"machine": f"{least[0]}x {least[1].name}", "way": least[2].id},
    }


def tell_reverse(found: dict[str, Any]) -> None:
    """The answers to the reverse questions, one a line."""
    rows, length = found["most_rows"], found["longest_rows"]
    if length:
        say.line(f"longest rows here    {length:,} tokens")
        say.line(f"largest micro-batch  {rows:,} rows" if rows else "largest micro-batch  none")
    model, machine = found["largest_model"], found["smallest_machine"]
    if model is not None:
        billions = model["parameters"] / 1e9
        say.line(f"largest model here   {model['id']} ({billions:.1f} billion), by {model['way']}")
    else:
        say.line("largest model here   none of the catalogue")
    if machine is not None:
        say.line(f"smallest machine     {machine['machine']}, by {machine['way']}")
