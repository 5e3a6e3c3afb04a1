"""Several devices that train together: a process on each, with a copy of the model (DDP)."""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.engine.devices.busy import idle_bytes, is_busy
from tunewright.engine.devices.choice import Choice, busy_warning, held, unknown_memory, untaken
from tunewright.engine.devices.names import JOIN, find_named, named_devices
from tunewright.engine.devices.planned import WAIT_RULE, are_linked
from tunewright.engine.plan import Decision
from tunewright.engine.text import size
from tunewright.hardware.errors import Problem
from tunewright.hardware.snapshot import Gpu, Pair, Snapshot


def choose_together(asked: str, snapshot: Snapshot, *, waits: bool) -> Choice:
    """All of the devices in `asked`; planned for the one that has the least room."""
    gpus = find_named(asked, snapshot.gpus)
    _checkchoose_together(asked, gpus)
    room = {gpu.label: idle_bytes(gpu) if waits else gpu.free_bytes for gpu in gpus}
    for gpu in gpus:
        if room[gpu.label] is None:
            raise unknown_memory(gpu)
    least = min(gpus, key=lambda gpu: room[gpu.label] or 0)
    free = room[least.label] or 0
    names = " and ".join((", ".join(gpu.label for gpu in gpus[:-1]), gpus[-1].label))
    because = (
        f"asked for; GPUs {names} train together, each a copy of the model on its own rows (DDP); "
        f"GPU {least.label} ({least.name}) has the least {'when idle' if waits else 'free'}, "
        f"{size(free)}; {_joined(gpus, snapshot.pairs)}"
    )
    warnings: list[str] = []
    if len({gpu.name for gpu in gpus}) > 1:
        warnings.append(f"GPUs {names} are unlike: each step takes as long as the slowest of them")
    if waits:
        busy = [gpu for gpu in gpus if is_busy(gpu)]
        because += "".join(held(gpu) for gpu in busy) + "; the run waits until each has room"
    else:
        warnings += [warning for gpu in gpus for warning in busy_warning(gpu, ())]
    others = tuple(one for one in untaken(least, snapshot.gpus)
                   if one.value not in {gpu.label for gpu in gpus})  # fmt: skip
    rule = WAIT_RULE if waits else "device.asked-together"
    decision = Decision("cuda", because, rule, others)
    return Choice("cuda", least, free, decision, tuple(warnings), gpus)


def _checkchoose_together(asked: str, gpus: Sequence[Gpu]) -> None:
    names = named_devices(asked)
    cure = "--device " + (JOIN.join(gpu.label for gpu in gpus) if len(gpus) > 1 else gpus[0].label)
    if len(gpus) < len(names):
        raise Problem(
            f"--device {asked!r} names a device twice",
            why="each process of a run needs a device of its own",
            cure=cure,
        )
    slices = [gpu.label for gpu in gpus if gpu.mig is not None]
    if slices:
        raise Problem(
            f"--device {asked!r} cannot train together",
            why=f"{', '.join(slices)} is a MIG slice: NCCL joins whole GPUs only (MIG User Guide, "
            "“Application Considerations”)",
            cure=f"--device {slices[0]}, or leave MIG mode",
        )


def _joined(gpus: Sequence[Gpu], pairs: Sequence[Pair]) -> str:
    """How their gradients travel."""
    if are_linked(gpus, pairs):
        return "NVLink joins them"
    among = {gpu.index for gpu in gpus}
    told = any({pair.a, pair.b} <= among for pair in pairs)
    return "gradients go over PCIe" if told else "how they are joined is not known"
