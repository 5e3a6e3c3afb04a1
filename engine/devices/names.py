"""What devices are called: by label ("0", "0:1" for a slice) or by the start of a UUID.

Several are joined by commas, where one of them is meant, or by a plus, where all are.
"""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.hardware.errors import Problem
from tunewright.hardware.snapshot import Gpu

AUTO = "auto"
JOIN = "+"


def is_named(gpu: Gpu, name: str) -> bool:
    """Whether `name` is the device's label, or begins its UUID with more than "GPU-" or "MIG-"."""
    by_uuid = gpu.uuid is not None and len(name) > 4 and gpu.uuid.startswith(name)
    return gpu.label == name or by_uuid


def named_devices(asked: str) -> list[str]:
    """The names in a device that is asked for, whether one of them or all are meant."""
    return [part.strip() for part in asked.replace(JOIN, ",").split(",")]


def find_named(asked: str, gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """The devices of the names in `asked`, each once; a `Problem` for one that is not there."""
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
