"""Reads all GPUs through NVML, each on its own thread: one that hangs hides no other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from tunewright.hardware.deadline import Overdue, all_within, anything_stuck, within
from tunewright.hardware.nvml import troubles
from tunewright.hardware.nvml.device import Whole, read_device
from tunewright.hardware.nvml.door import Door, Lost, Refused
from tunewright.hardware.nvml.links import pairs
from tunewright.hardware.nvml.people import People, describe, pids_of, with_people
from tunewright.hardware.snapshot import Gpu, Pair, Trouble
from tunewright.hardware.visible import Countable, Visible, visible_gpus

# Without persistence mode the driver wakes every GPU first, which takes seconds on a large box.
START_SECONDS = 15.0
DEVICE_SECONDS = 4.0
_PEOPLE_SECONDS = 1.0


class NvmlReading(msgspec.Struct, frozen=True):
    """The devices this process may use, in CUDA's order; `index` of each is NVML's.

    `cuda_version` is the newest CUDA that the driver can run. `trouble` says why `gpus` is empty
    or incomplete; `troubles` has that and all others. `split`, `hidden` and `pairs` as in
    `Snapshot`.
    """

    gpus: tuple[Gpu, ...] = ()
    driver_version: str | None = None
    cuda_version: tuple[int, int] | None = None
    trouble: Trouble | None = None
    nvml_version: str | None = None
    split: tuple[Gpu, ...] = ()
    hidden: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()
    troubles: tuple[Trouble, ...] = ()


def read_gpus(
    environ: Mapping[str, str] | None = None,
    *,
    start_seconds: float = START_SECONDS,
    device_seconds: float = DEVICE_SECONDS,
) -> NvmlReading:
    """Read all visible NVIDIA GPUs (`environ` instead of the process's own, for CUDA_* variables).

    Never raises for the state of the machine: what could not be read is in the reading. Waits at
    most `start_seconds` for the driver to start, then `device_seconds` for all devices at once.
    """
    environ = os.environ if environ is None else environ
    try:
        door = Door()
    except ImportError as error:
        return _nothing(troubles.no_binding(error))
    try:
        within(start_seconds, "nvml start", door.start)
    except Refused as refusal:
        return _nothing(troubles.not_started(door, refusal))
    except Lost as refusal:
        return _nothing(troubles.no_count(refusal.reason))
    except Overdue as overdue:
        return _nothing(troubles.driver_hangs(door.waiting.get("nvml start"), overdue.seconds))
    try:
        return _read_all(door, environ, device_seconds)
    finally:
        # A call that hangs may hold the library's lock, and stopping would wait for it.
        if not anything_stuck():
            door.stop()


def _read_all(door: Door, environ: Mapping[str, str], seconds: float) -> NvmlReading:
    try:
        system = within(seconds, "nvml system", lambda: _system(door))
    except Overdue:
        return _nothing(troubles.driver_hangs(door.waiting.get("nvml system"), seconds))
    if isinstance(system.count, str):
        return msgspec.structs.replace(
            _nothing(troubles.no_count(system.count)),
            driver_version=system.driver,
            cuda_version=system.cuda,
            nvml_version=system.nvml,
        )
    questions: dict[str, Callable[[], Whole]] = {
        f"GPU {index}": partial(read_device, door, index) for index in range(system.count)
    }
    answers, errors = all_within(seconds, questions, (Refused, Lost))
    devices = {int(name.removeprefix("GPU ")): whole for name, whole in answers.items()}
    lost: dict[int, str] = {}
    hangs: dict[int, str | None] = {}
    for name, error in errors.items():
        index = int(name.removeprefix("GPU "))
        if isinstance(error, Overdue):
            hangs[index] = door.waiting.get(name)
        else:
            lost[index] = str(error)

    visible = visible_gpus(
        [_countable(devices.get(index)) for index in range(system.count)], environ
    )
    shown = {index for index, _ in visible.picks}
    found: list[Trouble] = []
    # A GPU that does not answer has no UUID to be named by, so a visibility that stumbles may be
    # about it.
    silent = {index for index in (*lost, *hangs) if visible.trouble or index in shown}
    if visible.trouble is not None and not silent:
        found.append(visible.trouble)
    here = [index for index in shown if index in devices]
    if reasons := {index: lost[index] for index in sorted(silent & set(lost))}:
        found.append(troubles.lost(reasons, others=bool(here)))
    if asked := {index: hangs[index] for index in sorted(silent & set(hangs))}:
        found.append(troubles.hanging(asked, seconds, others=bool(here)))
    empty = [i for i, whole in sorted(devices.items()) if whole.split and not whole.slices]
    if empty and "CUDA_VISIBLE_DEVICES" not in environ:
        found.append(troubles.no_slices(empty))
    connected, trouble = _pairs(door, devices, seconds)
    if trouble is not None:
        found.append(trouble)
    usable, split = _described(
        [_picked(devices, pick) for pick in visible.picks if pick[0] in devices],
        [whole.gpu for _, whole in sorted(devices.items()) if whole.split],
    )
    return NvmlReading(
        gpus=usable,
        driver_version=system.driver,
        cuda_version=system.cuda,
        trouble=found[0] if found else None,
        nvml_version=system.nvml,
        split=split,
        hidden=_hidden(devices, visible),
        pairs=connected,
        troubles=tuple(found),
    )


class _System(msgspec.Struct, frozen=True):
    """`count` is a reason where NVML would not count."""

    driver: str | None
    cuda: tuple[int, int] | None
    nvml: str | None
    count: int | str


def _system(door: Door) -> _System:
    def ask(*questions: tuple[Any, ...]) -> Any:
        try:
            return door.first(*questions)
        except Refused:
            return None

    cuda = ask(("nvmlSystemGetCudaDriverVersion_v2",), ("nvmlSystemGetCudaDriverVersion",))
    count: int | str
    try:
        count = int(door.call("nvmlDeviceGetCount"))
    except (Refused, Lost) as refusal:
        count = refusal.reason
    return _System(
        driver=ask(("nvmlSystemGetDriverVersion",)),
        cuda=None if cuda is None else (cuda // 1000, cuda % 1000 // 10),
        nvml=ask(("nvmlSystemGetNVMLVersion",)),
        count=count,
    )


def _countable(whole: Whole | None) -> Countable:
    if whole is None:
        return Countable(None, None)
    return Countable(
        whole.gpu.uuid,
        whole.gpu.name,
        split=whole.split,
        slices=tuple(
            (part.uuid, part.mig.gpu_instance, part.mig.compute_instance)
            for part in whole.slices
            if part.mig is not None
        ),
    )


def _picked(devices: Mapping[int, Whole], pick: tuple[int, int | None]) -> Gpu:
    index, part = pick
    return devices[index].gpu if part is None else devices[index].slices[part]


def _hidden(devices: Mapping[int, Whole], visible: Visible) -> tuple[str, ...]:
    """What is here and CUDA_VISIBLE_DEVICES leaves out, as "0 NVIDIA H100 80GB HBM3"."""
    everything = [
        (index, part)
        for index, whole in sorted(devices.items())
        for part in (range(len(whole.slices)) if whole.split else (None,))
    ]
    left_out = (_picked(devices, pick) for pick in everything if pick not in visible.picks)
    return tuple(f"{gpu.label} {gpu.name}" for gpu in left_out)


def _pairs(
    door: Door, devices: Mapping[int, Whole], seconds: float
) -> tuple[tuple[Pair, ...], Trouble | None]:
    if len(devices) < 2:
        return (), None
    handles = {index: whole.handle for index, whole in devices.items()}
    gpus = {index: whole.gpu for index, whole in devices.items()}
    try:
        return within(seconds, "topology", lambda: pairs(door, handles, gpus)), None
    except Lost as refusal:
        return (), troubles.topology_unknown(
            refusal.reason, "look again; a GPU went away while it was read"
        )
    except Overdue:
        return (), troubles.topology_hangs(door.waiting.get("topology"), seconds)


def _described(usable: list[Gpu], split: list[Gpu]) -> tuple[tuple[Gpu, ...], tuple[Gpu, ...]]:
    """The devices with their processes' users and programs, as far as those are told in time."""
    pids = pids_of([*usable, *split])
    people: People = {}
    if pids:
        try:
            people = within(_PEOPLE_SECONDS, "users", lambda: describe(pids))
        except Overdue:
            people = {}
    return (
        tuple(with_people(gpu, people) for gpu in usable),
        tuple(with_people(gpu, people) for gpu in split),
    )


def _nothing(trouble: Trouble) -> NvmlReading:
    return NvmlReading(trouble=trouble, troubles=(trouble,))
