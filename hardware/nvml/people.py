"""Whose a process on a GPU is: user and program by pid, from the kernel."""

from __future__ import annotations

import os
from collections.abc import Iterable

import msgspec

from tunewright.hardware.snapshot import Gpu, GpuProcess

# pid -> (user, program, own)
People = dict[int, tuple[str | None, str | None, bool]]
_UNKNOWN = (None, None, False)


def pids_of(gpus: Iterable[Gpu]) -> frozenset[int]:
    """All pids on these devices."""
    return frozenset(process.pid for gpu in gpus for process in gpu.processes)


def describe(pids: Iterable[int]) -> People:
    """Who runs these; a pid that is gone, or of another namespace, is left out.

    Only the program's name: a command line can hold a token, and snapshots are kept. The user's
    name can come over the network (NSS), so this is asked apart from the driver.
    """
    import psutil

    found: People = {}
    for pid in pids:
        try:
            process = psutil.Process(pid)
            own = bool(process.uids().real == os.getuid())
            found[pid] = (process.username(), process.name(), own)
        except (psutil.Error, OSError):
            # NVML reports the host's pids, which a container may not see.
            continue
    return found


def named(processes: Iterable[GpuProcess], people: People) -> tuple[GpuProcess, ...]:
    """The processes with user and program, where those are known."""
    return tuple(GpuProcess(p.pid, p.used_bytes, *people.get(p.pid, _UNKNOWN)) for p in processes)


def with_people(gpu: Gpu, people: People) -> Gpu:
    """The device with its processes described."""
    return msgspec.structs.replace(gpu, processes=named(gpu.processes, people))
