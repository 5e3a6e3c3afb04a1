"""Who else is on a device, and what is free on it when nobody is."""

from __future__ import annotations

from tunewright.engine.text import plain, size
from tunewright.hardware.snapshot import Gpu

# A display takes a few per cent; whoever holds more than this share is at work on the device.
_AT_WORK = 0.1


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
