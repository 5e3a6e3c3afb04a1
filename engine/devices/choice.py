"""A device that was chosen, with its reason and what else there is."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tunewright.engine.devices.busy import holders, idle_bytes, is_busy
from tunewright.engine.devices.planned import lowest_capability
from tunewright.engine.plan import Alternative, Decision, PlannedDevice
from tunewright.engine.text import size
from tunewright.hardware.capability import Capability
from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.estimate import Device
from tunewright.hardware.snapshot import Gpu


class Choice(msgspec.Struct, frozen=True):
    """`gpu` is None on the CPU. `free_bytes` is what the plan may use: what is free now, or for one
    that is waited for what is free when nobody uses it. Of several (`together`, in the order in
    which they were named) `gpu` is the one that has the least."""

    device: Device
    gpu: Gpu | None
    free_bytes: int
    decision: Decision
    warnings: tuple[str, ...] = ()
    together: tuple[Gpu, ...] = ()

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The devices, one as a rule; () on the CPU."""
        return self.together or (() if self.gpu is None else (self.gpu,))

    @property
    def planned(self) -> tuple[PlannedDevice, ...]:
        """As it stands in the plan."""
        return tuple(PlannedDevice(gpu.label, gpu.uuid, gpu.name) for gpu in self.gpus)

    @property
    def capability(self) -> Capability | None:
        """What all of them can do: the lowest; None on the CPU, and when one is not told."""
        return lowest_capability(self.gpus)


def held(gpu: Gpu | None) -> str:
    """Who is at work on it, as the end of a sentence; "" for nobody."""
    return f"; {holders(gpu)}" if gpu is not None and is_busy(gpu) else ""


def untaken(chosen: Gpu | None, gpus: Sequence[Gpu]) -> tuple[Alternative, ...]:
    """The devices that were not taken; a busy one with what is free once it is idle."""
    if chosen is None:
        return ()
    told = []
    for gpu in gpus:
        if gpu.label == chosen.label:
            continue
        if gpu.free_bytes is None:
            why = f"its free memory is unknown: {gpu.unknown.get('free_bytes', 'not told')}"
        elif is_busy(gpu):
            why = (
                f"busy: {size(gpu.free_bytes)} free of {size(idle_bytes(gpu))} idle; {holders(gpu)}"
            )
        else:
            why = f"{size(gpu.free_bytes)} free"
        told.append(Alternative(gpu.label, why))
    return tuple(told)


def busy_warning(gpu: Gpu | None, others: Sequence[Alternative]) -> tuple[str, ...]:
    """What to do about a busy device, where it is one."""
    if gpu is None or not is_busy(gpu):
        return ()
    another = ", or --device " + str(others[0].value) + " takes another" if others else ""
    cure = f"--when-busy wait starts when it is free{another}"
    return (f"GPU {gpu.label} is busy: {holders(gpu)}; {cure}",)


def unknown_memory(gpu: Gpu) -> Problem:
    """Why a device cannot be planned on of which the driver tells no memory."""
    return Problem(
        f"the free memory of GPU {gpu.label} is unknown",
        why=gpu.unknown.get("free_bytes", "the driver does not say"),
        cure="--device auto, or another device: tunewright hardware",
    )
