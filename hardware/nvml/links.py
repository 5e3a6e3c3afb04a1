"""NVLinks of a device, and how two devices reach each other."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from tunewright.hardware.nvml.activity import field_value
from tunewright.hardware.nvml.door import Device, Door, Missing, Refused
from tunewright.hardware.snapshot import NvLink, Pair

SWITCH = "NVSwitch"
_MEGABYTE = 1_000_000
# nvml.h, nvmlGpuTopologyLevel_t; in brackets what `nvidia-smi topo -m` calls it.
_PATHS = {
    "NVML_TOPOLOGY_INTERNAL": "same board",
    "NVML_TOPOLOGY_SINGLE": "PCIe switch",  # PIX
    "NVML_TOPOLOGY_MULTIPLE": "PCIe switches",  # PXB
    "NVML_TOPOLOGY_HOSTBRIDGE": "host bridge",  # PHB
    "NVML_TOPOLOGY_NODE": "NUMA node",  # NODE
    "NVML_TOPOLOGY_SYSTEM": "across sockets",  # SYS
}
_NO_P2P = {
    "NVML_P2P_STATUS_CHIPSET_NOT_SUPPORTED": "the chipset does not support it",
    "NVML_P2P_STATUS_GPU_NOT_SUPPORTED": "the GPU does not support it",
    "NVML_P2P_STATUS_IOH_TOPOLOGY_NOT_SUPPORTED": "the path between them does not carry it",
    "NVML_P2P_STATUS_DISABLED_BY_REGKEY": "it is switched off in the driver's settings",
    "NVML_P2P_STATUS_NOT_SUPPORTED": "it is not supported",
    "NVML_P2P_STATUS_UNKNOWN": "the driver does not know",
}
_VERSIONS = {
    f"NVML_NVLINK_VERSION_{number.replace('.', '_')}": number
    for number in ("1.0", "2.0", "2.2", "3.0", "3.1", "4.0", "5.0", "6.0")
}


def nvlink(device: Device) -> NvLink | None:
    """The device's NVLinks; None when it has none."""
    asked = device.section()
    door = asked.door
    states: list[bool] = []
    for link in range(int(door.constant("NVML_NVLINK_MAX_LINKS"))):
        try:
            states.append(bool(door.call("nvmlDeviceGetNvLinkState", asked.handle, link)))
        except Refused as refusal:
            # NVML refuses the first number that is not a link (as invalid, or as not supported).
            if refusal.code is None or isinstance(refusal, Missing):
                return None
            break
    if not states:
        return None
    up = [link for link, active in enumerate(states) if active]
    peers: dict[str, int] = {}
    for link in up:
        peer = asked.put("peers", partial(_peer, asked, link))
        if peer is not None:
            peers[peer] = peers.get(peer, 0) + 1
    version = asked.ask("version", "nvmlDeviceGetNvLinkVersion", up[0]) if up else None
    return NvLink(
        links=len(states),
        active=len(up),
        version=None if version is None else _version(asked, version),
        link_bytes_per_second=_speed(asked, up[0]) if up else None,
        peers=peers,
        unknown=asked.unknown,
    )


def _peer(device: Device, link: int) -> str:
    """What is at the other end: "NVSwitch", or a PCI bus id."""
    door = device.door
    try:
        kind = door.call("nvmlDeviceGetNvLinkRemoteDeviceType", device.handle, link)
        if kind == door.constant("NVML_NVLINK_DEVICE_TYPE_SWITCH"):
            return SWITCH
    except Missing:
        # Drivers before 450 do not have the call; the bus id answers for GPUs.
        pass
    return pci_text(door.call("nvmlDeviceGetNvLinkRemotePciInfo", device.handle, link))


def pci_text(info: Any) -> str:
    """ "00000000:17:00.0"."""
    bus_id = info.busId
    return str(bus_id.decode() if isinstance(bus_id, bytes) else bus_id).upper()


def _version(device: Device, version: int) -> str:
    for name, number in _VERSIONS.items():
        try:
            if version == device.door.constant(name):
                return number
        except Missing:
            continue
    return f"unknown ({version})"


def _speed(device: Device, link: int) -> int | None:
    """Bytes a second of one link in one direction, from the two fields that tell it."""
    door = device.door

    def read() -> int:
        common = door.constant("NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON")
        fields: list[Any] = [common]
        with contextlib.suppress(Missing):
            fields.append((door.constant("NVML_FI_DEV_NVLINK_GET_SPEED"), link))
        values = door.call("nvmlDeviceGetFieldValues", device.handle, fields)
        refusal: Refused | None = None
        for value in values:
            try:
                speed = field_value(door, value)
            except Refused as error:
                refusal = error
                continue
            if speed > 0:
                return speed * _MEGABYTE
        raise refusal or Refused("NVML gives the speed as zero")

    return device.put("link_bytes_per_second", read)


def pairs(door: Door, handles: Mapping[int, Any], gpus: Mapping[int, Any]) -> tuple[Pair, ...]:
    """Each pair of the devices in `handles` (by NVML index); `gpus` has their `Gpu`."""
    found = []
    indices = sorted(handles)
    for position, a in enumerate(indices):
        for b in indices[position + 1 :]:
            p2p, why = _p2p(door, handles[a], handles[b])
            found.append(
                Pair(
                    a=a,
                    b=b,
                    path=_path(door, handles[a], handles[b]),
                    nvlinks=_links_between(gpus[a], gpus[b]),
                    p2p=p2p,
                    p2p_why=why,
                )
            )
    return tuple(found)


def _path(door: Door, a: Any, b: Any) -> str | None:
    try:
        level = door.call("nvmlDeviceGetTopologyCommonAncestor", a, b)
    except Refused:
        return None
    return next((words for name, words in _PATHS.items() if level == door.constant(name)), None)


def _p2p(door: Door, a: Any, b: Any) -> tuple[bool | None, str | None]:
    """(whether both can read and write each other's memory, why not)."""
    try:
        for way in ("READ", "WRITE"):
            index = door.constant(f"NVML_P2P_CAPS_INDEX_{way}")
            for one, other in ((a, b), (b, a)):
                status = door.call("nvmlDeviceGetP2PStatus", one, other, index)
                if status != door.constant("NVML_P2P_STATUS_OK"):
                    return False, _no_p2p(door, status)
    except Refused as refusal:
        return None, refusal.reason
    return True, None


def _no_p2p(door: Door, status: int) -> str:
    for name, words in _NO_P2P.items():
        try:
            if status == door.constant(name):
                return words
        except Missing:
            continue
    return f"NVML gives status {status}"


def _links_between(a: Any, b: Any) -> int:
    if a.nvlink is None or b.nvlink is None:
        return 0
    direct = int(a.nvlink.peers.get(b.pci_bus_id, 0))
    return direct or min(int(one.nvlink.peers.get(SWITCH, 0)) for one in (a, b))
