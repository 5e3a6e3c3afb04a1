"""What changes each second: memory, processes, and the device's `Activity`."""

from __future__ import annotations

from typing import Any

from tunewright.hardware.nvml.door import Device, Missing, NotSupported, Refused
from tunewright.hardware.snapshot import Activity, GpuProcess

# The names of nvml.h's bits without their prefix, and what they mean. The prefix is ClocksEvent…
# since CUDA 12.2 and ClocksThrottle… before and for the last two.
_THROTTLE = {
    "GpuIdle": "idle",
    "ApplicationsClocksSetting": "application clocks are set",
    "SwPowerCap": "power limit",
    "HwSlowdown": "hardware slowdown",
    "SyncBoost": "waits for its sync boost group",
    "SwThermalSlowdown": "too hot (driver)",
    "HwThermalSlowdown": "too hot (hardware)",
    "HwPowerBrakeSlowdown": "external power brake",
    "DisplayClockSetting": "display clocks",
    "BoardLimit": "board limit",
    "Reliability": "voltage reliability",
}
_KIB = 1024
# scopeId of a field value that means all links (nvml.h, NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX).
_ALL_LINKS = 0xFFFFFFFF


def memory(device: Device) -> tuple[int, int, int, int | None]:
    """(total, free, used, reserved) bytes; `Refused` when NVML will not say.

    The second version of the call does not count the driver's own reserve as used; drivers before
    510 only have the first one, which does.
    """
    door = device.door
    try:
        info = door.call(
            "nvmlDeviceGetMemoryInfo", device.handle, version=door.constant("nvmlMemory_v2")
        )
        reserved: int | None = int(info.reserved)
    except Missing:
        info = door.call("nvmlDeviceGetMemoryInfo", device.handle)
        reserved = None
    return int(info.total), int(info.free), int(info.used), reserved


def processes(device: Device) -> tuple[GpuProcess, ...]:
    """Compute and graphics processes, one entry a pid (a pid can be in both lists), undescribed."""
    used: dict[int, int | None] = {}
    for kind in ("Compute", "Graphics"):
        call = f"nvmlDeviceGet{kind}RunningProcesses"
        try:
            # Drivers before 510 lack v3, and its struct is that of v2.
            found = device.door.first((f"{call}_v3", device.handle), (f"{call}_v2", device.handle))
        except NotSupported:
            # A part without graphics says so here (MIG), and has no such processes.
            if kind == "Compute":
                raise
            continue
        for process in found:
            used.setdefault(int(process.pid), process.usedGpuMemory)
    return tuple(GpuProcess(pid, size) for pid, size in sorted(used.items()))


def activity(device: Device) -> Activity:
    """What the device does now."""
    asked = device.section()
    constant = asked.door.constant

    def watts(field: str, function: str, older: str | None = None) -> float | None:
        milliwatts = asked.ask(field, function, older=older)
        return None if milliwatts is None else milliwatts / 1000

    rates = asked.ask("gpu_percent", "nvmlDeviceGetUtilizationRates")
    if rates is None:
        asked.unknown["memory_percent"] = asked.unknown["gpu_percent"]
    state = asked.ask("performance_state", "nvmlDeviceGetPerformanceState")
    reasons = asked.ask(
        "throttled",
        "nvmlDeviceGetCurrentClocksEventReasons",
        older="nvmlDeviceGetCurrentClocksThrottleReasons",
    )
    sent, received = _nvlink_counters(asked)
    return Activity(
        gpu_percent=None if rates is None else int(rates.gpu),
        memory_percent=None if rates is None else int(rates.memory),
        temperature_c=asked.ask(
            "temperature_c",
            "nvmlDeviceGetTemperatureV",
            constant("NVML_TEMPERATURE_GPU"),
            older="nvmlDeviceGetTemperature",
        ),
        fan_percent=asked.ask("fan_percent", "nvmlDeviceGetFanSpeed"),
        power_watts=watts("power_watts", "nvmlDeviceGetPowerUsage"),
        power_limit_watts=watts(
            "power_limit_watts",
            "nvmlDeviceGetEnforcedPowerLimit",
            "nvmlDeviceGetPowerManagementLimit",
        ),
        sm_mhz=asked.ask("sm_mhz", "nvmlDeviceGetClockInfo", constant("NVML_CLOCK_SM")),
        memory_mhz=asked.ask("memory_mhz", "nvmlDeviceGetClockInfo", constant("NVML_CLOCK_MEM")),
        performance_state=None if state is None or not 0 <= state < 16 else f"P{state}",
        throttled=None if reasons is None else throttle_words(asked, int(reasons)),
        pcie_generation=asked.ask("pcie_generation", "nvmlDeviceGetCurrPcieLinkGeneration"),
        pcie_width=asked.ask("pcie_width", "nvmlDeviceGetCurrPcieLinkWidth"),
        nvlink_sent_bytes=sent,
        nvlink_received_bytes=received,
        unknown=asked.unknown,
    )


def throttle_words(device: Device, bits: int) -> tuple[str, ...]:
    """NVML's reasons for lower clocks in words; a bit without a name is shown as a number."""
    words = []
    for name, meaning in _THROTTLE.items():
        try:
            bit = int(device.door.constant(f"nvmlClocksEventReason{name}"))
        except Missing:
            try:
                bit = int(device.door.constant(f"nvmlClocksThrottleReason{name}"))
            except Missing:
                continue
        if bits & bit:
            words.append(meaning)
            bits &= ~bit
    return (*words, f"reason {bits:#x}") if bits else tuple(words)


def _nvlink_counters(device: Device) -> tuple[int | None, int | None]:
    """(sent, received) data bytes over all links; both None where there is no NVLink."""
    door = device.door

    def read() -> tuple[int, int]:
        fields = [
            (door.constant(f"NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_{way}"), _ALL_LINKS)
            for way in ("TX", "RX")
        ]
        sent, received = door.call("nvmlDeviceGetFieldValues", device.handle, fields)
        return field_value(door, sent) * _KIB, field_value(door, received) * _KIB

    counters = device.put("nvlink_sent_bytes", read)
    if counters is None:
        device.unknown["nvlink_received_bytes"] = device.unknown["nvlink_sent_bytes"]
        return None, None
    return counters


def field_value(door: Any, value: Any) -> int:
    """The number in a field value; `Refused` when this field has none."""
    if value.nvmlReturn != door.constant("NVML_SUCCESS"):
        if value.nvmlReturn == door.constant("NVML_ERROR_NOT_SUPPORTED"):
            raise NotSupported("NVML says: Not Supported", int(value.nvmlReturn))
        raise Refused(f"NVML answers this field with code {value.nvmlReturn}")
    members = {
        "NVML_VALUE_TYPE_UNSIGNED_INT": "uiVal",
        "NVML_VALUE_TYPE_UNSIGNED_LONG": "ulVal",
        "NVML_VALUE_TYPE_UNSIGNED_LONG_LONG": "ullVal",
        "NVML_VALUE_TYPE_SIGNED_LONG_LONG": "sllVal",
    }
    for name, member in members.items():
        if value.valueType == door.constant(name):
            return int(getattr(value.value, member))
    raise Refused(f"NVML answers this field with a value of type {value.valueType}")
