"""What a machine has, as one frozen value: `Snapshot`. Bytes are int; unknown is None and a reason.

Nothing here reads the machine: `host.py` and `nvml.py` do, and `take.py` joins them.
"""

from __future__ import annotations

import msgspec


class GpuProcess(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process that holds memory on a GPU. `own` is true when it runs under this user."""

    pid: int
    used_bytes: int | None
    user: str | None = None
    command: str | None = None
    own: bool = False


class Gpu(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One NVIDIA device. A field that NVML would not tell is None and named in `unknown`."""

    index: int
    uuid: str | None
    name: str
    total_bytes: int | None
    free_bytes: int | None
    used_bytes: int | None
    compute_capability: tuple[int, int] | None = None
    processes: tuple[GpuProcess, ...] = ()
    unknown: dict[str, str] = {}


class Trouble(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a part of the machine could not be read; a state to show, never a crash."""

    what: str
    why: str
    cure: str


class Host(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The computer around the GPUs. `cores` are those usable under affinity and cgroup quota;
    memory is that left by a cgroup limit; `cpu_features` the instruction sets that change numerics.
    """

    hostname: str
    cpu_model: str
    cores: int
    cpu_features: tuple[str, ...]
    ram_total_bytes: int
    ram_available_bytes: int
    boot_id: str | None = None
    unknown: dict[str, str] = {}


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine at one moment (`taken_at`, Unix seconds). `gpu_trouble` says why `gpus` is empty
    or incomplete; `simulated` marks a machine that was loaded or invented."""

    taken_at: float
    host: Host
    gpus: tuple[Gpu, ...] = ()
    driver_version: str | None = None
    cuda_version: tuple[int, int] | None = None
    gpu_trouble: Trouble | None = None
    simulated: bool = False
