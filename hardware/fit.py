"""Does a predicted peak fit, and into what: one GPU, or the host's memory when there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from tunewright.hardware.memory.estimate import Device, MemoryEstimate
from tunewright.hardware.snapshot import Gpu, Snapshot

Verdict = Literal["fits", "tight", "no"]

_GIB = 1 << 30


def judge(estimate: MemoryEstimate, free_bytes: int) -> Verdict:
    """ "fits" when the safe bound is within `free_bytes`, "tight" when only the expected peak is,
    else "no"."""
    if estimate.safe_bytes <= free_bytes:
        return "fits"
    return "tight" if estimate.expected_bytes <= free_bytes else "no"


def most_free_gpu(snapshot: Snapshot) -> Gpu | None:
    """The GPU with the most free memory, of equal ones the least used; None when none tells."""

    def rank(gpu: Gpu) -> tuple[int, int]:
        # Within a GiB they are alike, and whether somebody computes there says more.
        working = gpu.activity.gpu_percent if gpu.activity is not None else None
        return (gpu.free_bytes or 0) // _GIB, -(working or 0)

    known = [gpu for gpu in snapshot.gpus if gpu.free_bytes is not None]
    return max(known, key=rank, default=None)


def training_memory(snapshot: Snapshot) -> tuple[Device, int, str]:
    """(device, free bytes, because): the one GPU with the most free memory, or available RAM.

    Memory of several GPUs is never added up: one process trains on one device. A GPU whose free
    memory is unknown is not planned with. A machine without a GPU is a normal one.
    """
    gpu = most_free_gpu(snapshot)
    if gpu is not None and gpu.free_bytes is not None:
        free = gpu.free_bytes
        text = f"GPU {gpu.label} ({gpu.name}) has {free / _GIB:.1f} GiB free"
        if len(snapshot.gpus) > 1:
            text += f", the most of {len(snapshot.gpus)} GPUs; one process trains on one of them"
        return "cuda", free, text
    free = snapshot.host.ram_available_bytes
    text = f"training runs on the CPU, with {free / _GIB:.1f} GiB of memory available"
    if snapshot.gpus:
        gpu = snapshot.gpus[0]
        reason = gpu.unknown.get("free_bytes", "the driver does not say")
        return "cpu", free, f"the free memory of GPU {gpu.label} is unknown ({reason}): {text}"
    if snapshot.gpu_trouble is not None:
        return "cpu", free, f"{snapshot.gpu_trouble.what}: {text}"
    return "cpu", free, f"no GPU: {text}"


def largest(holds: Callable[[int], bool], most: int) -> int:
    """The largest in 1..`most` for which `holds`, which is true up to some number; else 0."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
