"""What seldom changes about a device: its `Board` and the health of its memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tunewright.hardware.nvml.door import Device
from tunewright.hardware.snapshot import Board, MemoryHealth

# Room for 1024 CPUs and 256 memory nodes; NVML refuses a set that is too small.
_CPU_WORDS, _NODE_WORDS, _WORD_BITS = 16, 4, 64
_COMPUTE_MODES = {
    "NVML_COMPUTEMODE_DEFAULT": "shared",
    "NVML_COMPUTEMODE_EXCLUSIVE_THREAD": "one thread",
    "NVML_COMPUTEMODE_PROHIBITED": "prohibited",
    "NVML_COMPUTEMODE_EXCLUSIVE_PROCESS": "one process",
}


def board(device: Device, pci_bus_id: str | None) -> Board:
    """Settings, limits, and what of the host is near."""
    asked = device.section()
    constant = asked.door.constant

    def limit() -> float:
        constraints = asked.door.call("nvmlDeviceGetPowerManagementLimitConstraints", asked.handle)
        return float(constraints[1]) / 1000

    default = asked.ask("power_default_watts", "nvmlDeviceGetPowerManagementDefaultLimit")
    mode = asked.ask("compute_mode", "nvmlDeviceGetComputeMode")
    return Board(
        persistence_mode=asked.flag("persistence_mode", "nvmlDeviceGetPersistenceMode"),
        compute_mode=None if mode is None else _compute_mode(asked, mode),
        display_connected=asked.flag("display_connected", "nvmlDeviceGetDisplayMode"),
        display_active=asked.flag("display_active", "nvmlDeviceGetDisplayActive"),
        sm_max_mhz=asked.ask("sm_max_mhz", "nvmlDeviceGetMaxClockInfo", constant("NVML_CLOCK_SM")),
        memory_max_mhz=asked.ask(
            "memory_max_mhz", "nvmlDeviceGetMaxClockInfo", constant("NVML_CLOCK_MEM")
        ),
        power_default_watts=None if default is None else default / 1000,
        power_max_watts=asked.put("power_max_watts", limit),
        slows_at_c=asked.ask(
            "slows_at_c",
            "nvmlDeviceGetTemperatureThreshold",
            constant("NVML_TEMPERATURE_THRESHOLD_SLOWDOWN"),
        ),
        pcie_max_generation=asked.ask("pcie_max_generation", "nvmlDeviceGetMaxPcieLinkGeneration"),
        pcie_max_width=asked.ask("pcie_max_width", "nvmlDeviceGetMaxPcieLinkWidth"),
        numa_nodes=_numa_nodes(asked, pci_bus_id),
        cpus=_cpus(asked),
        unknown=asked.unknown,
    )


def _compute_mode(device: Device, mode: int) -> str:
    for name, words in _COMPUTE_MODES.items():
        if mode == device.door.constant(name):
            return words
    return f"mode {mode}"


def _numa_nodes(device: Device, pci_bus_id: str | None) -> tuple[int, ...] | None:
    """By NVML, else by the kernel's word for the PCI device (drivers before 455 lack the call)."""

    def asked() -> tuple[int, ...]:
        scope = device.door.constant("NVML_AFFINITY_SCOPE_NODE")
        words = device.door.call("nvmlDeviceGetMemoryAffinity", device.handle, _NODE_WORDS, scope)
        return tuple(_bits(words))

    nodes = device.put("numa_nodes", asked)
    if nodes is None and pci_bus_id is not None:
        known = numa_node_of(pci_bus_id)
        if known is not None:
            del device.unknown["numa_nodes"]
            return (known,)
    return nodes


def numa_node_of(pci_bus_id: str, sys: Path = Path("/sys")) -> int | None:
    """The memory node of a PCI device; None where the kernel does not say (-1) or has no sysfs.

    NVML writes the domain with eight digits, the kernel with four.
    """
    domain, _, rest = pci_bus_id.lower().partition(":")
    try:
        text = (sys / "bus/pci/devices" / f"{domain[-4:]}:{rest}" / "numa_node").read_text()
    except OSError:
        return None
    return int(text) if text.strip().isdigit() else None


def _cpus(device: Device) -> str | None:
    words = device.ask("cpus", "nvmlDeviceGetCpuAffinity", _CPU_WORDS)
    return None if words is None else ranges(_bits(words))


def _bits(words: Sequence[int]) -> list[int]:
    return [
        number * _WORD_BITS + bit
        for number, word in enumerate(words)
        for bit in range(_WORD_BITS)
        if word >> bit & 1
    ]


def ranges(numbers: Iterable[int]) -> str:
    """Rising numbers as the kernel lists CPUs: 0, 1, 2, 8 -> "0-2,8"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def health(device: Device) -> MemoryHealth:
    """ECC, its errors, and what memory the device has given up."""
    asked = device.section()
    constant = asked.door.constant
    modes = asked.ask("ecc", "nvmlDeviceGetEccMode")
    remapped = asked.ask("remapped_rows", "nvmlDeviceGetRemappedRows")

    def errors(field: str, kind: str, since: str) -> int | None:
        count = asked.ask(
            field,
            "nvmlDeviceGetTotalEccErrors",
            constant(f"NVML_MEMORY_ERROR_TYPE_{kind}"),
            constant(f"NVML_{since}_ECC"),
        )
        return None if count is None else int(count)

    def retired() -> int:
        return sum(
            len(asked.door.call("nvmlDeviceGetRetiredPages", asked.handle, constant(cause)))
            for cause in (
                "NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS",
                "NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR",
            )
        )

    return MemoryHealth(
        ecc=None if modes is None else bool(modes[0]),
        ecc_after_reboot=None if modes is None else bool(modes[1]),
        corrected=errors("corrected", "CORRECTED", "VOLATILE"),
        uncorrected=errors("uncorrected", "UNCORRECTED", "VOLATILE"),
        corrected_ever=errors("corrected_ever", "CORRECTED", "AGGREGATE"),
        uncorrected_ever=errors("uncorrected_ever", "UNCORRECTED", "AGGREGATE"),
        retired_pages=asked.put("retired_pages", retired),
        retirement_pending=asked.flag(
            "retirement_pending", "nvmlDeviceGetRetiredPagesPendingStatus"
        ),
        remapped_rows=None if remapped is None else remapped[0] + remapped[1],
        remap_pending=None if remapped is None else bool(remapped[2]),
        remap_failed=None if remapped is None else bool(remapped[3]),
        unknown=asked.unknown,
    )
