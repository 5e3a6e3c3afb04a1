"""What to change so that a training fits, the cheapest first. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tunewright.engine.choose import Ask, Option
from tunewright.engine.limits import fitting, largest_model, longest_rows, smallest_machine
from tunewright.hardware.shapes import ModelShape
from tunewright.hardware.snapshot import Snapshot


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to change so that it fits, with what it costs in words and the option after it."""

    what: str
    costs: str
    option: Option


def cheapest_changes(shape: ModelShape, machine: Snapshot, ask: Ask) -> tuple[Change, ...]:
    """What to change where nothing fits, the cheapest first; each was tried, and fits."""
    found: list[Change] = []
    for what, costs, asked in _other_settings(ask):
        option = fitting(shape, machine, asked)
        if option is not None:
            found.append(Change(what, costs, option))
    light = _lightest(ask)
    shorter = longest_rows(shape, machine, light)
    if 0 < shorter < ask.seq_len:
        option = fitting(shape, machine, msgspec.structs.replace(light, seq_len=shorter))
        if option is not None:
            costs = "longer rows are cut or left out"
            found.append(Change(f"--seq-len {shorter}", costs, option))
    smaller = largest_model(machine, light, below=shape.parameters)
    if smaller is not None:
        name, _, option = smaller
        found.append(Change(f"a smaller model: {name}", "what the larger one knows", option))
    open_ = msgspec.structs.replace(ask, micro_batch=None, checkpointing=None, sharding="auto")
    box = smallest_machine(shape, open_)
    if box is not None:
        count, part, option = box
        found.append(Change(f"another machine: {count}x {part.name}", "money", option))
    return tuple(found)


def _lightest(ask: Ask) -> Ask:
    """Any method, as light as it gets on the same rows."""
    return msgspec.structs.replace(
        ask, micro_batch=1, checkpointing=True, method=None, optimizer=None
    )


def _other_settings(ask: Ask) -> Iterator[tuple[str, str, Ask]]:
    """(the words to add, what they cost, what is asked then)"""
    replace = msgspec.structs.replace
    if ask.micro_batch and ask.micro_batch > 1:
        one = replace(ask, micro_batch=1)
        yield "--micro-batch 1", "more accumulation, a little slower; the same result", one
    if ask.checkpointing is False:
        on = replace(ask, checkpointing=True, micro_batch=1)
        yield "--grad-ckpt on", "a quarter to a third slower; the same result", on
    if ask.loss_kernel == "plain":
        yield "--loss-kernel chunked", "nothing", replace(ask, loss_kernel="chunked")
    light = replace(ask, micro_batch=1, checkpointing=True)
    if ask.optimizer not in ("paged_adamw_8bit", "adamw_8bit"):
        eight = replace(light, optimizer="adamw_8bit")
        yield "--optimizer adamw_8bit", "the state's last bits, which no test shows", eight
    if ask.method == "full":
        lora = replace(light, method="lora", optimizer=None)
        yield "--method lora", "less capacity for what is far from the base", lora
    if ask.method in ("full", "lora"):
        qlora = replace(light, method="qlora", optimizer=None)
        yield "--method qlora", "slower steps, a little quality", qlora
    if ask.rank > 8 and ask.method != "full":
        yield "--rank 8", "capacity of the adapter", replace(light, rank=8)
