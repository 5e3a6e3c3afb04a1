"""Parts without memory of their own (Jetson, GB10): their memory is the host's, and said to be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tunewright.hardware.capability import abilities, architecture, shares_host_memory
from tunewright.hardware.snapshot import Gpu, Host

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
    return tuple(_shared(gpu, host) if _tells_nothing(gpu) else gpu for gpu in gpus)


def _tells_nothing(gpu: Gpu) -> bool:
    return gpu.free_bytes is None and shares_host_memory(gpu.compute_capability)


def _shared(gpu: Gpu, host: Host) -> Gpu:
    reason = gpu.unknown.get("free_bytes", "NVML does not tell")
    unknown = {k: v for k, v in gpu.unknown.items() if k not in ("total_bytes", "free_bytes")}
    return msgspec.structs.replace(
        gpu,
        total_bytes=host.ram_total_bytes,
        free_bytes=host.ram_available_bytes,
        memory_note=f"host memory, which this part shares ({reason})",
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
