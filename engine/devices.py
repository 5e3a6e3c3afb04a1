"""Which device a run uses: chosen from a snapshot, pure, with its reason and what else there is.

One process trains on one device, so of several that are named ("0,1") the one with the most free
memory is taken. Joined by a plus ("0+1") they are meant together: a process on each, each with a
copy of the model (DDP). A device is named by label ("0", "0:1" for a slice) or by the start of its
UUID; the run is given the UUID, since indices shift when a GPU falls out or another order is asked
for.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tunewright.engine.plan import Alternative, Decision, Plan, PlannedDevice
from tunewright.engine.session import Session
from tunewright.engine.text import plain, size
from tunewright.hardware.capability import Capability
from tunewright.hardware.errors import Problem
from tunewright.hardware.fit import most_free_gpu, training_memory
from tunewright.hardware.memory.estimate import Device
from tunewright.hardware.snapshot import Gpu, Pair, Snapshot

AUTO = "auto"
# A display takes a few per cent; whoever holds more than this share is at work on the device.
_AT_WORK = 0.1


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


def choose_device(snapshot: Snapshot, asked: str = AUTO, when_busy: str = "another") -> Choice:
    """The device for `asked` ("auto", "cpu", names with commas between for one of them, or with a
    plus for all of them); `when_busy` it is "another" one that is free is taken, where there is a
    choice, or it is waited for ("wait").

    A `Problem` for a name that is no device of the snapshot, one whose free memory is unknown, or
    devices that cannot train together.
    """
    if asked == "cpu":
        free = snapshot.host.ram_available_bytes
        because = f"asked for; {size(free)} of memory are available"
        return Choice("cpu", None, free, Decision("cpu", because, "device.asked-cpu"))
    if _JOIN in asked:
        return _together(asked, snapshot, waits=when_busy == "wait")
    named = None if asked == AUTO else _named(asked, snapshot.gpus)
    candidates = snapshot.gpus if named is None else named
    if when_busy == "wait":
        waited = _to_wait_for(candidates)
        if waited is not None:
            return _waiting(waited, candidates)
    if named is not None:
        return _of_named(named, snapshot)
    device, free, because = training_memory(snapshot)
    gpu = most_free_gpu(snapshot)
    others = _others(gpu, snapshot.gpus)
    return Choice(
        device,
        gpu,
        free,
        Decision(device, because + _held(gpu), "device.most-free-memory", others),
        _busy_warning(gpu, others),
    )


def _of_named(named: Sequence[Gpu], snapshot: Snapshot) -> Choice:
    gpu = most_free_gpu(msgspec.structs.replace(snapshot, gpus=tuple(named)))
    if gpu is None or gpu.free_bytes is None:
        raise _unknown_memory(named[0])
    because = f"asked for; GPU {gpu.label} ({gpu.name}) has {size(gpu.free_bytes)} free"
    if len(named) > 1:
        because += f", the most of the {len(named)} named; one process trains on one of them"
    others = _others(gpu, snapshot.gpus)
    decision = Decision("cuda", because + _held(gpu), "device.asked", others)
    return Choice("cuda", gpu, gpu.free_bytes, decision, _busy_warning(gpu, others))


def _unknown_memory(gpu: Gpu) -> Problem:
    return Problem(
        f"the free memory of GPU {gpu.label} is unknown",
        why=gpu.unknown.get("free_bytes", "the driver does not say"),
        cure="--device auto, or another device: tunewright hardware",
    )


# -- several at once


def _together(asked: str, snapshot: Snapshot, *, waits: bool) -> Choice:
    gpus = _named(asked, snapshot.gpus)
    _check_together(asked, gpus)
    room = {gpu.label: idle_bytes(gpu) if waits else gpu.free_bytes for gpu in gpus}
    for gpu in gpus:
        if room[gpu.label] is None:
            raise _unknown_memory(gpu)
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
        because += "".join(_held(gpu) for gpu in busy) + "; the run waits until each has room"
    else:
        warnings += [warning for gpu in gpus for warning in _busy_warning(gpu, ())]
    others = tuple(one for one in _others(least, snapshot.gpus)
                   if one.value not in {gpu.label for gpu in gpus})  # fmt: skip
    rule = WAIT_RULE if waits else "device.asked-together"
    decision = Decision("cuda", because, rule, others)
    return Choice("cuda", least, free, decision, tuple(warnings), gpus)


_JOIN = "+"


def _check_together(asked: str, gpus: Sequence[Gpu]) -> None:
    names = named_devices(asked)
    cure = "--device " + (_JOIN.join(gpu.label for gpu in gpus) if len(gpus) > 1 else gpus[0].label)
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


def are_linked(gpus: Sequence[Gpu], pairs: Sequence[Pair]) -> bool:
    """Whether NVLink joins each of several devices to every other."""
    among = {gpu.index for gpu in gpus}
    ways = [pair for pair in pairs if {pair.a, pair.b} <= among]
    return bool(ways) and all(pair.nvlinks for pair in ways)


def lowest_capability(gpus: Sequence[Gpu]) -> Capability | None:
    """The capability that all devices have; None for none, and when one is not told."""
    told = [gpu.compute_capability for gpu in gpus if gpu.compute_capability is not None]
    return min(told) if told and len(told) == len(gpus) else None


def is_named(gpu: Gpu, name: str) -> bool:
    """Whether `name` is the device's label, or begins its UUID with more than "GPU-" or "MIG-"."""
    by_uuid = gpu.uuid is not None and len(name) > 4 and gpu.uuid.startswith(name)
    return gpu.label == name or by_uuid


def named_devices(asked: str) -> list[str]:
    """The names in a device that is asked for, whether one of them or all are meant."""
    return [part.strip() for part in asked.replace(_JOIN, ",").split(",")]


def _named(asked: str, gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    found: list[Gpu] = []
    for name in named_devices(asked):
        hits = [gpu for gpu in gpus if is_named(gpu, name)]
        if len(hits) != 1:
            raise _no_such(name, gpus, several=len(hits) > 1)
        if hits[0] not in found:
            found.append(hits[0])
    return tuple(found)


def _no_such(name: str, gpus: Sequence[Gpu], *, several: bool) -> Problem:
    slices = [gpu for gpu in gpus if gpu.mig is not None and str(gpu.index) == name]
    if slices:
        why = f"GPU {name} is in MIG mode: only its slices run anything"
    elif several:
        why = "several UUIDs begin so"
    else:
        why = "here are " + (", ".join(f"{g.label} ({g.name})" for g in gpus) or "no GPUs")
    first = slices[0].label if slices else gpus[0].label if gpus else "cpu"
    return Problem(
        f"--device {name!r} is no device of this machine", why=why, cure=f"--device {first}"
    )


# -- who else is on it


def held_bytes(gpu: Gpu) -> int:
    """What processes hold of a device, as far as the driver tells."""
    return sum(process.used_bytes or 0 for process in gpu.processes)


def is_busy(gpu: Gpu) -> bool:
    """Whether somebody is at work on it: processes hold more than a display does."""
    return gpu.total_bytes is not None and held_bytes(gpu) > _AT_WORK * gpu.total_bytes


def idle_bytes(gpu: Gpu) -> int | None:
    """What is free on it when nobody uses it: None where the driver tells no memory."""
    if gpu.total_bytes is None or gpu.free_bytes is None:
        return None
    if gpu.reserved_bytes is not None:
        return max(gpu.free_bytes, gpu.total_bytes - gpu.reserved_bytes)
    return min(gpu.total_bytes, gpu.free_bytes + held_bytes(gpu))


def holders(gpu: Gpu) -> str:
    """Who holds memory on it, the largest first, in words; "" for nobody."""
    ranked = sorted(gpu.processes, key=lambda process: -(process.used_bytes or 0))
    told = [
        f"{plain(p.user or 'unknown')}'s {plain(p.command or 'program')} (pid {p.pid}) holds "
        f"{size(p.used_bytes)}"
        for p in ranked[:2]
    ]
    more = len(ranked) - len(told)
    return ", ".join(told) + (f", and {more} more" if more > 0 else "")


def _held(gpu: Gpu | None) -> str:
    return f"; {holders(gpu)}" if gpu is not None and is_busy(gpu) else ""


def _others(chosen: Gpu | None, gpus: Sequence[Gpu]) -> tuple[Alternative, ...]:
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


def _busy_warning(gpu: Gpu | None, others: Sequence[Alternative]) -> tuple[str, ...]:
    if gpu is None or not is_busy(gpu):
        return ()
    another = ", or --device " + str(others[0].value) + " takes another" if others else ""
    cure = f"--when-busy wait starts when it is free{another}"
    return (f"GPU {gpu.label} is busy: {holders(gpu)}; {cure}",)


# -- waiting


def _to_wait_for(candidates: Sequence[Gpu]) -> Gpu | None:
    """The device with the most memory once idle; of equal ones the one with the most free now."""
    known = [gpu for gpu in candidates if idle_bytes(gpu) is not None]
    return max(known, key=lambda g: (idle_bytes(g) or 0, g.free_bytes or 0), default=None)


def _waiting(gpu: Gpu, candidates: Sequence[Gpu]) -> Choice:
    idle = idle_bytes(gpu)
    assert idle is not None
    because = f"GPU {gpu.label} ({gpu.name}) has {size(idle)} when idle"
    if len(candidates) > 1:
        because += f", the most of {len(candidates)}"
    because += f"; {size(gpu.free_bytes)} are free now{_held(gpu)}; the run waits for what it needs"
    others = _others(gpu, candidates)
    return Choice("cuda", gpu, idle, Decision("cuda", because, WAIT_RULE, others))


WAIT_RULE = "device.wait-until-free"


def waits(plan: Plan) -> bool:
    """Whether the run of this plan starts only when its device has the memory that it needs."""
    return plan.device.rule == WAIT_RULE


# -- what a plan says


def planned_gpus(plan: Plan, snapshot: Snapshot) -> tuple[Gpu, ...]:
    """The devices of a plan that are still here, as `snapshot` shows them; the one with the most
    free memory for a plan that names none. () on the CPU."""
    if plan.device.value == "cpu":
        return ()
    if not plan.devices:
        gpu = most_free_gpu(snapshot)
        return () if gpu is None else (gpu,)
    found = (
        next(
            (
                gpu
                for gpu in snapshot.gpus
                if (gpu.uuid == planned.uuid if planned.uuid else gpu.label == planned.label)
            ),
            None,
        )
        for planned in plan.devices
    )
    return tuple(gpu for gpu in found if gpu is not None)


def planned_gpu(plan: Plan, snapshot: Snapshot) -> Gpu | None:
    """The device of a plan as `snapshot` shows it; of several, the one with the least free memory.
    None on the CPU, or when it is gone."""
    gpus = planned_gpus(plan, snapshot)
    return min(gpus, key=lambda gpu: gpu.free_bytes or 0, default=None)


def refuse_invented(session: Session) -> None:
    """A `Problem` for a session that was planned on a machine that is not here."""
    recorded = session.recorded
    if recorded is not None and recorded.snapshot.simulated:
        raise Problem(
            f"nothing can be launched on {plain(recorded.snapshot.host.hostname)}",
            why="the session was planned on a machine that was invented or loaded from a file",
            cure="plan on this one: the same command without --hardware, or --replay … --on here",
        )
