"""What a machine has, as one frozen value: `Snapshot`. Bytes are int; unknown is None and a reason.

Nothing here reads the machine: `host.py` and `nvml/` do, and `take.py` joins them. What changes
each second is `Activity`, `free_bytes`, `used_bytes`, `processes`; `live.py` renews just those.
Fields are only ever added, with defaults: sessions keep the snapshots that they were planned on.
"""

from __future__ import annotations

import msgspec


class GpuProcess(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process that holds memory on a GPU. `own` is true when it runs under this user.

    `command` is the program's name alone: a command line can hold a token.
    """

    pid: int
    used_bytes: int | None
    user: str | None = None
    command: str | None = None
    own: bool = False


class Activity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a device does at this moment; `unknown` says why a field is None.

    `gpu_percent` is the share of the last sample in which a kernel ran, `memory_percent` that in
    which memory was read or written. `throttled` are the reasons why clocks are lower than they
    could be, in words; "idle" is one. The NVLink counters are totals over all links since the
    driver was loaded: the rate is their difference over time.
    """

    gpu_percent: int | None = None
    memory_percent: int | None = None
    temperature_c: int | None = None
    fan_percent: int | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    sm_mhz: int | None = None
    memory_mhz: int | None = None
    performance_state: str | None = None
    throttled: tuple[str, ...] | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    nvlink_sent_bytes: int | None = None
    nvlink_received_bytes: int | None = None
    unknown: dict[str, str] = {}


class Board(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings and limits of a device, which seldom change; `unknown` says why a field is None.

    `cpus` are the logical CPUs near it, as "0-15,32-47"; `numa_nodes` the memory near it.
    `slows_at_c` is the temperature at which the hardware lowers its clocks.
    """

    persistence_mode: bool | None = None
    compute_mode: str | None = None
    display_connected: bool | None = None
    display_active: bool | None = None
    sm_max_mhz: int | None = None
    memory_max_mhz: int | None = None
    power_default_watts: float | None = None
    power_max_watts: float | None = None
    slows_at_c: int | None = None
    pcie_max_generation: int | None = None
    pcie_max_width: int | None = None
    numa_nodes: tuple[int, ...] | None = None
    cpus: str | None = None
    unknown: dict[str, str] = {}


class MemoryHealth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Error correction of a device's memory; `unknown` says why a field is None.

    Errors are those since the driver was loaded and, as `…_ever`, over the board's life. Pages are
    retired up to Volta and Turing, rows remapped since Ampere.
    """

    ecc: bool | None = None
    ecc_after_reboot: bool | None = None
    corrected: int | None = None
    uncorrected: int | None = None
    corrected_ever: int | None = None
    uncorrected_ever: int | None = None
    retired_pages: int | None = None
    retirement_pending: bool | None = None
    remapped_rows: int | None = None
    remap_pending: bool | None = None
    remap_failed: bool | None = None
    unknown: dict[str, str] = {}


class NvLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The NVLinks of a device: how many it has, how many are up, and to what.

    `peers` maps the PCI bus id of a GPU, or "NVSwitch", to the active links that lead there.
    `link_bytes_per_second` is one link in one direction.
    """

    links: int
    active: int
    version: str | None = None
    link_bytes_per_second: int | None = None
    peers: dict[str, int] = {}
    unknown: dict[str, str] = {}


class MigSlice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What makes a device a MIG slice: one compute instance of one GPU instance of `parent_uuid`.

    `number` counts the slices of their GPU as nvidia-smi does.
    """

    number: int
    parent_uuid: str | None
    profile: str | None = None
    gpu_instance: int | None = None
    compute_instance: int | None = None
    multiprocessors: int | None = None


class Gpu(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One NVIDIA device: a GPU, or a MIG slice of one (`mig`), whose `index` is that of its GPU.

    A field that NVML would not tell is None and named in `unknown`. `reserved_bytes` is what the
    driver keeps for itself, in neither `free_bytes` nor `used_bytes`. `memory_note` is set where
    the figures are not NVML's: those of the host, for a part without memory of its own, or of the
    host's `memory_node` that is the device's own memory (Grace, where NVML says nothing). `can`
    maps what training asks for (bf16, fp8, …) to whether the compute capability gives it.
    """

    index: int
    uuid: str | None
    name: str
    total_bytes: int | None
    free_bytes: int | None
    used_bytes: int | None
    compute_capability: tuple[int, int] | None = None
    processes: tuple[GpuProcess, ...] = ()
    unknown: dict[str, str] = {}
    reserved_bytes: int | None = None
    memory_note: str | None = None
    pci_bus_id: str | None = None
    architecture: str | None = None
    can: dict[str, bool] = {}
    mig: MigSlice | None = None
    activity: Activity | None = None
    board: Board | None = None
    health: MemoryHealth | None = None
    nvlink: NvLink | None = None
    memory_node: int | None = None

    @property
    def label(self) -> str:
        """How a person names it: "0", or "0:1" for the second slice of GPU 0."""
        return str(self.index) if self.mig is None else f"{self.index}:{self.mig.number}"


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How two GPUs (`a` < `b`, NVML indices) reach each other.

    `path` is what their PCI traffic crosses, nearest first: "same board", "PCIe switch",
    "PCIe switches", "host bridge", "NUMA node", "across sockets". `nvlinks` are the active links
    from one to the other (through NVSwitch: those that both have). `p2p` is whether one may read
    the other's memory, and `p2p_why` why not.
    """

    a: int
    b: int
    path: str | None = None
    nvlinks: int = 0
    p2p: bool | None = None
    p2p_why: str | None = None


# `Trouble.what` of a normal state, no fault: nothing on the bus, and no driver.
NO_GPU = "No NVIDIA GPU was found"


class Trouble(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a part of the machine could not be read; a state to show, never a crash."""

    what: str
    why: str
    cure: str


class Disk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file system under a place that is written to. `free_bytes` is what this user may take."""

    place: str
    path: str
    filesystem: str | None = None
    total_bytes: int | None = None
    free_bytes: int | None = None
    unknown: dict[str, str] = {}


class NumaNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A memory node and the logical CPUs at it, as "0-15,32-47"."""

    number: int
    cpus: str
    total_bytes: int | None = None
    free_bytes: int | None = None


class Slurm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The Slurm allocation that this process runs in, from its environment."""

    job_id: str
    nodes: int | None = None
    cpus_on_node: int | None = None
    gpus_on_node: str | None = None
    memory_per_node_bytes: int | None = None
    ends_at: float | None = None


class Host(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The computer around the GPUs. `cores` are those usable under affinity and cgroup quota;
    memory is that left by a cgroup limit; `cpu_features` the instruction sets that change numerics.

    `cores_online` and `ram_installed_bytes` are without those limits. `container` names what kind
    this runs in; `at_logout` is what a logout would do to a detached run, None when nothing.
    """

    hostname: str
    cpu_model: str
    cores: int
    cpu_features: tuple[str, ...]
    ram_total_bytes: int
    ram_available_bytes: int
    boot_id: str | None = None
    unknown: dict[str, str] = {}
    cores_online: int | None = None
    cpu_quota: float | None = None
    ram_installed_bytes: int | None = None
    swap_total_bytes: int | None = None
    swap_free_bytes: int | None = None
    shm_total_bytes: int | None = None
    shm_free_bytes: int | None = None
    disks: tuple[Disk, ...] = ()
    numa: tuple[NumaNode, ...] = ()
    container: str | None = None
    slurm: Slurm | None = None
    at_logout: Trouble | None = None


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine at one moment (`taken_at`, Unix seconds).

    `gpus` are the devices this process may use, in CUDA's order; a GPU in MIG mode is in `split`
    and its slices are in `gpus`; what CUDA_VISIBLE_DEVICES hides is in `hidden`. `gpu_trouble` says
    why `gpus` is empty or incomplete; `gpu_troubles` has that and all others. `simulated` marks a
    machine that was loaded or invented.
    """

    taken_at: float
    host: Host
    gpus: tuple[Gpu, ...] = ()
    driver_version: str | None = None
    cuda_version: tuple[int, int] | None = None
    gpu_trouble: Trouble | None = None
    simulated: bool = False
    nvml_version: str | None = None
    cuda_visible_devices: str | None = None
    cuda_device_order: str | None = None
    split: tuple[Gpu, ...] = ()
    hidden: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()
    gpu_troubles: tuple[Trouble, ...] = ()
