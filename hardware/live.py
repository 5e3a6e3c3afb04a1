"""What changes each second, read cheaply: `read_live`, from any thread, as often as once a second.

NVML stays started and the devices' handles are kept, so a reading costs a few calls a device. Each
device is asked on its own thread; one that hangs is left alone until its call comes back.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from typing import Any

import msgspec

from tunewright.hardware.cgroup import read_limits
from tunewright.hardware.deadline import Overdue, all_within, within
from tunewright.hardware.nvml.activity import activity, memory, processes
from tunewright.hardware.nvml.door import Device, Door, Lost, Refused
from tunewright.hardware.nvml.mig import is_split
from tunewright.hardware.nvml.people import People, describe, named
from tunewright.hardware.nvml.read import START_SECONDS
from tunewright.hardware.snapshot import Activity, Gpu, GpuProcess, Snapshot
from tunewright.hardware.unified import with_host_memory

# A reading is overdue before the next one is due.
_SECONDS = 0.9
_PEOPLE_SECONDS = 0.5


class LiveGpu(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device now, by its `uuid` (and NVML `index`, for one without). `silent` is the reason when
    it did not answer; `activity` is None for a MIG slice, which NVML measures with its GPU."""

    index: int
    uuid: str | None
    free_bytes: int | None = None
    used_bytes: int | None = None
    processes: tuple[GpuProcess, ...] = ()
    activity: Activity | None = None
    silent: str | None = None


class Live(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine now (`taken_at`, Unix seconds). `cpu_percent` is the share of all cores that was
    busy since the last reading; memory is what this process may still take. `gpu_silent` is the
    reason when no device could be asked."""

    taken_at: float
    gpus: tuple[LiveGpu, ...] = ()
    cpu_percent: float | None = None
    load_1m: float | None = None
    ram_available_bytes: int | None = None
    swap_free_bytes: int | None = None
    gpu_silent: str | None = None


class _Handle(msgspec.Struct, frozen=True):
    index: int
    uuid: str | None
    handle: Any
    slices: tuple[tuple[str | None, Any], ...] = ()


class LiveReader:
    """Keeps NVML started between readings; `close` stops it. One thread at a time may read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._door: Door | None = None
        self._handles: dict[int, _Handle] = {}
        self._count = 0
        self._silent: str | None = None
        self._people: People = {}

    def read(self, *, seconds: float = _SECONDS) -> Live:
        """The reading now; waits at most `seconds` for all devices, longer only to start NVML."""
        import psutil

        with self._lock:
            gpus = self._gpus(seconds)
        available = psutil.virtual_memory().available
        left = read_limits().memory_left_bytes
        return Live(
            taken_at=time.time(),
            gpus=gpus,
            cpu_percent=psutil.cpu_percent(None),
            load_1m=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            ram_available_bytes=available if left is None else min(available, left),
            swap_free_bytes=_swap_free(),
            gpu_silent=self._silent,
        )

    def close(self) -> None:
        """Stop NVML; a later reading starts it again."""
        with self._lock:
            if self._door is not None and self._silent is None:
                self._door.stop()
            self._door, self._handles, self._silent = None, {}, None

    def _gpus(self, seconds: float) -> tuple[LiveGpu, ...]:
        if self._door is None:
            self._start()
        door = self._door
        if door is None:
            return ()
        questions = {
            f"live GPU {index}": partial(self._device, door, index) for index in range(self._count)
        }
        answers, errors = all_within(seconds, questions, (Refused, Lost))
        found: list[LiveGpu] = []
        for index, name in enumerate(questions):
            if name in answers:
                found += answers[name]
                continue
            known = self._handles.get(index)
            reason = str(errors[name])
            if isinstance(errors[name], Overdue):
                reason = f"{door.waiting.get(name, 'a call')} hangs: {reason}"
            else:
                # Asked anew next time: the handle of a GPU that was reset is another one.
                self._handles.pop(index, None)
            found.append(LiveGpu(index, None if known is None else known.uuid, silent=reason))
        return self._with_people(found)

    def _start(self) -> None:
        """Start NVML; `_silent` says why it could not be."""
        try:
            door = Door()
            within(START_SECONDS, "nvml start", door.start)
            self._count = int(within(_SECONDS, "nvml system", partial(_count, door)))
        except (ImportError, Refused, Lost, Overdue) as error:
            self._silent = str(error)
            return
        self._door, self._silent = door, None

    def _device(self, door: Door, index: int) -> list[LiveGpu]:
        known = self._handles.get(index)
        if known is None:
            known = self._handles[index] = _open(door, index)
        whole = Device(door, known.handle)
        return [
            _reading(whole, index, known.uuid, activity(whole)),
            *(_reading(Device(door, handle), index, uuid, None) for uuid, handle in known.slices),
        ]

    def _with_people(self, gpus: list[LiveGpu]) -> tuple[LiveGpu, ...]:
        """Users and programs of processes; those already known are not asked for again."""
        pids = {process.pid for gpu in gpus for process in gpu.processes}
        self._people = {pid: known for pid, known in self._people.items() if pid in pids}
        new = pids - set(self._people)
        if new:
            try:
                self._people |= within(_PEOPLE_SECONDS, "users", partial(describe, new))
            except Overdue:
                # Shown by pid alone; asked again with the next reading.
                return tuple(gpus)
        return tuple(
            msgspec.structs.replace(gpu, processes=named(gpu.processes, self._people))
            for gpu in gpus
        )


_reader = LiveReader()


def read_live() -> Live:
    """The machine now, through a reader that lives as long as this process."""
    return _reader.read()


def with_live(snapshot: Snapshot, live: Live) -> Snapshot:
    """`snapshot` with what `live` renews. A device that fell silent keeps its name and limits; its
    memory and activity become unknown, with the reason. A simulated machine stays as it is."""
    if snapshot.simulated:
        return snapshot
    by_name = {gpu.uuid if gpu.uuid is not None else gpu.index: gpu for gpu in live.gpus}
    host = snapshot.host
    if live.ram_available_bytes is not None:
        host = msgspec.structs.replace(host, ram_available_bytes=live.ram_available_bytes)
    if live.swap_free_bytes is not None:
        host = msgspec.structs.replace(host, swap_free_bytes=live.swap_free_bytes)

    def renewed(gpu: Gpu) -> Gpu:
        now = by_name.get(gpu.uuid if gpu.uuid is not None else gpu.index)
        if now is None and gpu.mig is None:
            # One that never answered has no UUID to go by.
            now = by_name.get(gpu.index)
        if now is None:
            parent = gpu.mig.parent_uuid if gpu.mig is not None else None
            now = by_name.get(parent) if parent is not None else None
            reason = now.silent if now is not None else live.gpu_silent
            return gpu if reason is None else _silenced(gpu, reason)
        return _silenced(gpu, now.silent) if now.silent is not None else _renewed(gpu, now)

    return msgspec.structs.replace(
        snapshot,
        taken_at=live.taken_at,
        host=host,
        gpus=with_host_memory([renewed(gpu) for gpu in snapshot.gpus], host),
        split=tuple(renewed(gpu) for gpu in snapshot.split),
    )


def _renewed(gpu: Gpu, now: LiveGpu) -> Gpu:
    return msgspec.structs.replace(
        gpu,
        free_bytes=now.free_bytes,
        used_bytes=now.used_bytes,
        processes=now.processes,
        activity=now.activity,
    )


def _silenced(gpu: Gpu, reason: str) -> Gpu:
    unknown = gpu.unknown | dict.fromkeys(("free_bytes", "used_bytes", "activity"), reason)
    return msgspec.structs.replace(
        gpu, free_bytes=None, used_bytes=None, processes=(), activity=None, unknown=unknown
    )


def _count(door: Door) -> int:
    return int(door.call("nvmlDeviceGetCount"))


def _open(door: Door, index: int) -> _Handle:
    device = Device(door, door.call("nvmlDeviceGetHandleByIndex", index))
    uuid = device.ask("uuid", "nvmlDeviceGetUUID")
    slices: list[tuple[str | None, Any]] = []
    if is_split(device):
        for number in range(int(door.call("nvmlDeviceGetMaxMigDeviceCount", device.handle))):
            try:
                handle = door.call("nvmlDeviceGetMigDeviceHandleByIndex", device.handle, number)
            except Refused:
                continue
            slices.append((Device(door, handle).ask("uuid", "nvmlDeviceGetUUID"), handle))
    return _Handle(index, uuid, device.handle, tuple(slices))


def _reading(device: Device, index: int, uuid: str | None, doing: Activity | None) -> LiveGpu:
    amounts = device.put("memory", partial(memory, device))
    return LiveGpu(
        index=index,
        uuid=uuid,
        free_bytes=amounts and amounts[1],
        used_bytes=amounts and amounts[2],
        processes=device.put("processes", partial(processes, device)) or (),
        activity=doing,
    )


def _swap_free() -> int | None:
    import psutil

    try:
        return int(psutil.swap_memory().free)
    except (OSError, RuntimeError):
        return None
