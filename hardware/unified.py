"""Parts whose memory NVML does not tell, since the host has it.

Jetson and GB10 have none of their own: theirs is the host's, and said to be. A GPU on a Grace board
has its own, which the kernel may hold as a NUMA node without CPUs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tunewright.hardware.capability import abilities, architecture, shares_host_memory
from tunewright.hardware.snapshot import Gpu, Host, Trouble
from tunewright.hardware.visible import Countable, visible_gpus

# The SoC of a Jetson, as its device tree names it, and the compute capability of its GPU (NVIDIA's
# data sheets of the modules; Thor is 11.0 since CUDA 13).
_TEGRA: dict[str, tuple[int, int]] = {
    "nvidia,tegra210": (5, 3),
    "nvidia,tegra186": (6, 2),
    "nvidia,tegra194": (7, 2),
    "nvidia,tegra234": (8, 7),
    "nvidia,tegra264": (11, 0),
}


def with_host_memory(gpus: Sequence[Gpu], host: Host) -> tuple[Gpu, ...]:
    """The devices, where one shares the host's memory and NVML will not tell of any with that of
    the host. A device whose memory is its own and unknown stays unknown."""
    return tuple(gpu if gpu.free_bytes is not None else _told_by(host, gpu) for gpu in gpus)


def _told_by(host: Host, gpu: Gpu) -> Gpu:
    if shares_host_memory(gpu.compute_capability):
        what = "host memory, which this part shares"
        return _with(gpu, host.ram_total_bytes, host.ram_available_bytes, what)
    # A node with CPUs is the host's own memory, whatever a driver says.
    node = next((n for n in host.numa if n.number == gpu.memory_node and not n.cpus), None)
    if node is None or node.total_bytes is None or node.free_bytes is None:
        return gpu
    what = f"memory node {node.number} of the host, which is this GPU's own"
    return _with(gpu, node.total_bytes, node.free_bytes, what)


def _with(gpu: Gpu, total: int, free: int, what: str) -> Gpu:
    reason = gpu.unknown.get("free_bytes", "NVML does not tell")
    unknown = {k: v for k, v in gpu.unknown.items() if k not in ("total_bytes", "free_bytes")}
    return msgspec.structs.replace(
        gpu,
        total_bytes=total,
        free_bytes=free,
        memory_note=f"{what} ({reason})",
        unknown=unknown,
    )


def shown_by_cuda(
    board: Gpu, environ: Mapping[str, str]
) -> tuple[tuple[Gpu, ...], tuple[Trouble, ...]]:
    """The GPU of a board without NVML under CUDA_VISIBLE_DEVICES, and what is wrong with that."""
    seen = visible_gpus([Countable(board.uuid, board.name)], environ)
    return ((board,) if seen.picks else ()), ((seen.trouble,) if seen.trouble else ())


def on_tegra(gpus: Sequence[Gpu], board: Gpu | None) -> tuple[Gpu, ...]:
    """The devices, where NVML names one only as the part of a system on a chip ("Orin (nvgpu)") and
    tells little, with what the device tree says of the `board`."""
    return tuple(
        gpu
        if board is None or gpu.mig is not None or "(nvgpu)" not in gpu.name
        else _of_board(gpu, board)
        for gpu in gpus
    )


def _of_board(gpu: Gpu, board: Gpu) -> Gpu:
    capability = gpu.compute_capability or board.compute_capability
    unknown = {k: v for k, v in gpu.unknown.items() if k != "compute_capability"}
    return msgspec.structs.replace(
        gpu,
        name=board.name,
        compute_capability=capability,
        architecture=gpu.architecture or board.architecture,
        can=gpu.can or board.can,
        unknown=unknown,
    )


def tegra_gpu(root: Path = Path("/")) -> Gpu | None:
    """The GPU of a Jetson whose system has no NVML, by its device tree; None on any other machine.

    Its memory is left unknown here, with the reason; `with_host_memory` puts in the host's.
    """
    tree = root / "proc/device-tree"
    try:
        compatible = (tree / "compatible").read_text(errors="replace").split("\0")
        model = (tree / "model").read_text(errors="replace").strip("\0\n ")
    except OSError:
        return None
    capability = next((_TEGRA[name] for name in compatible if name in _TEGRA), None)
    if capability is None:
        return None
    reason = "this Jetson has no NVML"
    return Gpu(
        index=0,
        uuid=None,
        name=model or "NVIDIA Jetson",
        total_bytes=None,
        free_bytes=None,
        used_bytes=None,
        compute_capability=capability,
        architecture=architecture(capability),
        can=abilities(capability),
        unknown=dict.fromkeys(("uuid", "total_bytes", "free_bytes", "used_bytes"), reason),
    )
