"""MIG: whether a GPU is split, and its slices, each a device in its own right."""

from __future__ import annotations

import re

from tunewright.hardware.capability import abilities
from tunewright.hardware.nvml.activity import memory, processes
from tunewright.hardware.nvml.door import Device, Refused
from tunewright.hardware.snapshot import Gpu, MigSlice

_MIB_PER_GIB = 1024


def is_split(device: Device) -> bool:
    """Whether MIG mode is on; a device that cannot have it is not split."""
    try:
        current, _ = device.door.call("nvmlDeviceGetMigMode", device.handle)
    except Refused:
        return False
    return bool(current == device.door.constant("NVML_DEVICE_MIG_ENABLE"))


def slices(device: Device, whole: Gpu) -> tuple[Gpu, ...]:
    """The slices of `whole`, in the order in which nvidia-smi numbers them."""
    door = device.door
    found = []
    try:
        places = int(door.call("nvmlDeviceGetMaxMigDeviceCount", device.handle))
    except Refused:
        places = 0
    for number in range(places):
        try:
            handle = door.call("nvmlDeviceGetMigDeviceHandleByIndex", device.handle, number)
        except Refused as refusal:
            # Places without a slice are "not found"; anything else is about one that is there.
            if not door.failed_with(refusal, "NVML_ERROR_NOT_FOUND"):
                device.unknown[f"slice {number}"] = refusal.reason
            continue
        found.append(_slice(Device(door, handle), whole, number))
    return tuple(found)


def _slice(device: Device, whole: Gpu, number: int) -> Gpu:
    name = device.ask("name", "nvmlDeviceGetName")
    uuid = device.ask("uuid", "nvmlDeviceGetUUID")
    attributes = device.ask(
        "profile", "nvmlDeviceGetAttributes", older="nvmlDeviceGetAttributes_v2"
    )
    profile = profile_in(name or "")
    if profile is None and attributes is not None:
        profile = profile_of(
            int(attributes.gpuInstanceSliceCount),
            int(attributes.computeInstanceSliceCount),
            int(attributes.memorySizeMB),
        )
    amounts = device.put("memory", lambda: memory(device))
    if amounts is None:
        reason = device.unknown.pop("memory")
        device.unknown.update(dict.fromkeys(("total_bytes", "free_bytes", "used_bytes"), reason))
    return Gpu(
        index=whole.index,
        uuid=uuid,
        name=name if name and name != whole.name else f"{whole.name} MIG {profile or number}",
        total_bytes=amounts and amounts[0],
        free_bytes=amounts and amounts[1],
        used_bytes=amounts and amounts[2],
        compute_capability=whole.compute_capability,
        processes=device.put("processes", lambda: processes(device)) or (),
        reserved_bytes=amounts and amounts[3],
        pci_bus_id=whole.pci_bus_id,
        architecture=whole.architecture,
        can=abilities(whole.compute_capability),
        mig=MigSlice(
            number=number,
            parent_uuid=whole.uuid,
            profile=profile,
            gpu_instance=device.ask("gpu_instance", "nvmlDeviceGetGpuInstanceId"),
            compute_instance=device.ask("compute_instance", "nvmlDeviceGetComputeInstanceId"),
            multiprocessors=None if attributes is None else int(attributes.multiprocessorCount),
        ),
        unknown=device.unknown,
    )


def profile_in(name: str) -> str | None:
    """The profile at the end of a slice's name: "… MIG 3g.40gb" -> "3g.40gb"."""
    match = re.search(r"\bMIG ((?:\d+c\.)?\d+g\.\d+gb\S*)", name)
    return match[1] if match else None


def profile_of(gpu_slices: int, compute_slices: int, memory_mib: int) -> str:
    """A profile as the MIG user guide writes it ("MIG Device Names"), where the driver does not."""
    compute = "" if compute_slices in (0, gpu_slices) else f"{compute_slices}c."
    return f"{compute}{gpu_slices}g.{-(-memory_mib // _MIB_PER_GIB)}gb"
