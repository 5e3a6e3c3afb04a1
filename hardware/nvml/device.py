"""One GPU, read whole: its `Gpu`, and its slices when it is split."""

from __future__ import annotations

from typing import Any

import msgspec

from tunewright.hardware.capability import abilities, architecture
from tunewright.hardware.nvml.activity import activity, memory, processes
from tunewright.hardware.nvml.board import board, health
from tunewright.hardware.nvml.door import Device, Door, Missing
from tunewright.hardware.nvml.links import nvlink, pci_text
from tunewright.hardware.nvml.mig import is_split, slices
from tunewright.hardware.snapshot import Gpu

_ARCHITECTURES = (
    "Kepler", "Maxwell", "Pascal", "Volta", "Turing", "Ampere", "Ada", "Hopper", "Blackwell",
    "Rubin",
)  # fmt: skip


class Whole(msgspec.Struct, frozen=True):
    """A GPU as NVML counts it. `split` is MIG mode: then only its `slices` can be used."""

    gpu: Gpu
    handle: Any
    split: bool = False
    slices: tuple[Gpu, ...] = ()


def read_device(door: Door, index: int) -> Whole:
    """Everything about one GPU; `Lost` or `Refused` when it does not answer at all."""
    device = Device(door, door.call("nvmlDeviceGetHandleByIndex", index))
    name = device.ask("name", "nvmlDeviceGetName")
    uuid = device.ask("uuid", "nvmlDeviceGetUUID")
    pci = device.put("pci_bus_id", lambda: _bus_id(device))
    amounts = device.put("memory", lambda: memory(device))
    node = None
    if amounts is None:
        reason = device.unknown.pop("memory")
        device.unknown.update(dict.fromkeys(("total_bytes", "free_bytes", "used_bytes"), reason))
        # On a Grace board the kernel may have the memory, as a node of the host (driver 530 on).
        node = device.section().ask("memory_node", "nvmlDeviceGetNumaNodeId")
    found = device.ask("compute_capability", "nvmlDeviceGetCudaComputeCapability")
    capability = None if found is None else (int(found[0]), int(found[1]))
    gpu = Gpu(
        index=index,
        uuid=uuid,
        name=name or f"GPU {index}",
        total_bytes=amounts and amounts[0],
        free_bytes=amounts and amounts[1],
        used_bytes=amounts and amounts[2],
        compute_capability=capability,
        processes=device.put("processes", lambda: processes(device)) or (),
        reserved_bytes=amounts and amounts[3],
        pci_bus_id=pci,
        architecture=_architecture(device) or architecture(capability),
        can=abilities(capability),
        activity=activity(device),
        board=board(device, pci),
        health=health(device),
        nvlink=nvlink(device),
        memory_node=None if node is None else int(node),
        unknown=device.unknown,
    )
    split = is_split(device)
    return Whole(gpu, device.handle, split, slices(device, gpu) if split else ())


def _bus_id(device: Device) -> str:
    return pci_text(device.door.call("nvmlDeviceGetPciInfo_v3", device.handle))


def _architecture(device: Device) -> str | None:
    """NVML's own word for the generation; None where the compute capability has to tell."""
    number = device.section().ask("architecture", "nvmlDeviceGetArchitecture")
    for name in _ARCHITECTURES:
        try:
            if number == device.door.constant(f"NVML_DEVICE_ARCH_{name.upper()}"):
                return name
        except Missing:
            continue
    return None
