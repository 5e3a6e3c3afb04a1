"""How far it goes: the longest rows, most rows, largest model and smallest machine that fit.

Each is found by asking `choose` again; no formula is turned around. Pure.
"""

from __future__ import annotations

import msgspec

from tunewright.engine.choose import Ask, Option, options
from tunewright.hardware.catalogue import Part, catalogue
from tunewright.hardware.fit import largest
from tunewright.hardware.model_catalogue import known_models
from tunewright.hardware.shapes import ModelShape
from tunewright.hardware.snapshot import Snapshot
from tunewright.hardware.whatif import imagine

_LONGEST = 1 << 20
_MOST_ROWS = 1 << 12


def _least_bytes(shape: ModelShape) -> int:
    """No way holds a model in less: four bits a parameter, wherever they are."""
    return shape.parameters // 2


def fitting(shape: ModelShape, machine: Snapshot, ask: Ask) -> Option | None:
    """The first way that fits; None when none does."""
    return next((one for one in options(shape, machine, ask) if one.verdict == "fits"), None)


def longest_rows(shape: ModelShape, machine: Snapshot, ask: Ask) -> int:
    """The longest rows, in tokens, with which something fits; 0 when none does."""

    def fits(length: int) -> bool:
        return fitting(shape, machine, msgspec.structs.replace(ask, seq_len=length)) is not None

    return largest(fits, shape.max_position_embeddings or _LONGEST)


def most_rows(shape: ModelShape, machine: Snapshot, ask: Ask) -> int:
    """The largest micro-batch, in rows, with which something fits; 0 when none does."""

    def fits(rows: int) -> bool:
        return fitting(shape, machine, msgspec.structs.replace(ask, micro_batch=rows)) is not None

    return largest(fits, _MOST_ROWS)


def largest_model(
    machine: Snapshot, ask: Ask, below: int | None = None
) -> tuple[str, ModelShape, Option] | None:
    """(id, shape, option) of the largest model of the catalogue that fits; `below` so many
    parameters."""
    # Names of layers are a model's own.
    named = msgspec.structs.replace(ask, targets="all-linear")
    room = sum(gpu.free_bytes or 0 for gpu in machine.gpus) + machine.host.ram_available_bytes
    for row in sorted(known_models().values(), key=lambda row: -row.parameters):
        shape = row.shape
        if below is not None and row.parameters >= below:
            continue
        if _least_bytes(shape) > room:
            continue
        if ask.seq_len > (shape.max_position_embeddings or _LONGEST):
            continue
        option = fitting(shape, machine, named)
        if option is not None:
            return row.id, shape, option
    return None


def smallest_machine(shape: ModelShape, ask: Ask) -> tuple[int, Part, Option] | None:
    """(count, part, option): the machine with the least memory that would do, of one, two, four or
    eight devices of a part in the catalogue; of equal ones that with less power."""
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
        if held.offload == "none" and count * part.memory_bytes < _least_bytes(shape):
            continue
        machine = imagine(f"{count}x {part.name}")
        for option in options(shape, machine, held):
            if option.verdict == "fits" and option.devices == count:
                return count, part, option
    return None
