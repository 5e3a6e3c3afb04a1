"""The ways in which the driver or a GPU fails, each as what, why, cure."""

from __future__ import annotations

from pathlib import Path

from tunewright.hardware.nvml.door import Door, Refused
from tunewright.hardware.snapshot import NO_GPU, Trouble

_NVIDIA_PCI_VENDOR = "0x10de"
_ASK_NVIDIA_SMI = "run nvidia-smi; if it fails too, reboot or reinstall the driver"


def no_binding(error: ImportError) -> Trouble:
    return Trouble(
        what="NVIDIA's management library has no Python binding here",
        why=str(error),
        cure="pip install nvidia-ml-py",
    )


def not_started(door: Door, refusal: Refused) -> Trouble:
    """Why NVML would not start."""
    if door.failed_with(refusal, "NVML_ERROR_LIBRARY_NOT_FOUND"):
        return no_library(nvidia_gpus_on_pci())
    if door.failed_with(refusal, "NVML_ERROR_LIB_RM_VERSION_MISMATCH"):
        return Trouble(
            what="The NVIDIA driver in the kernel and its library have different versions",
            why="the driver was updated and the old kernel module is still loaded"
            + _kernel_module(),
            cure="reboot (or unload and reload the nvidia kernel modules)",
        )
    if door.failed_with(refusal, "NVML_ERROR_DRIVER_NOT_LOADED"):
        return Trouble(
            what="The NVIDIA driver is installed and not loaded",
            why=refusal.reason,
            cure="sudo modprobe nvidia; in a container, start it with --gpus all",
        )
    if door.failed_with(refusal, "NVML_ERROR_NO_PERMISSION"):
        return Trouble(
            what="This user may not talk to the NVIDIA driver",
            why=refusal.reason,
            cure="check the owner and mode of /dev/nvidia* and /dev/nvidiactl",
        )
    return Trouble("The NVIDIA driver could not be reached", refusal.reason, _ASK_NVIDIA_SMI)


def no_count(reason: str) -> Trouble:
    return Trouble("The NVIDIA driver would not count its GPUs", reason, _ASK_NVIDIA_SMI)


def driver_hangs(function: str | None, seconds: float) -> Trouble:
    return Trouble(
        what="The NVIDIA driver does not answer",
        why=f"{function or 'a call'} has not returned within {seconds:g} s",
        cure="look for 'NVRM' and 'Xid' in dmesg; without persistence mode the first call can take "
        "long (sudo nvidia-smi -pm 1); if nvidia-smi hangs too, reboot",
    )


def lost(reasons: dict[int, str], others: bool) -> Trouble:
    """GPUs (by NVML index) that the driver cannot reach."""
    return Trouble(
        what=f"{_named(reasons)} not answer{_others(others)}",
        why="; ".join(dict.fromkeys(reasons.values())),
        cure="nvidia-smi -r resets it when nothing uses it (root); else reboot, and look for "
        "'Xid' in dmesg",
    )


def hanging(functions: dict[int, str | None], seconds: float, others: bool) -> Trouble:
    """GPUs (by NVML index) of which a call has not come back."""
    asked = ", ".join(dict.fromkeys(name for name in functions.values() if name)) or "a call"
    return Trouble(
        what=f"{_named(functions)} not come back with an answer{_others(others)}",
        why=f"{asked} has not returned within {seconds:g} s: the driver waits for the GPU",
        cure="look for 'Xid' in dmesg; end what runs on it and reset it (nvidia-smi -r, root), "
        "else reboot",
    )


def topology_unknown(why: str, cure: str) -> Trouble:
    return Trouble("How the GPUs are connected is unknown", why, cure)


def topology_hangs(function: str | None, seconds: float) -> Trouble:
    return topology_unknown(
        f"{function or 'a call'} has not returned within {seconds:g} s",
        "nvidia-smi topo -m asks the same; if it hangs too, reboot",
    )


def no_slices(indices: list[int]) -> Trouble:
    which = ", ".join(map(str, indices))
    return Trouble(
        what=f"GPU {which} is in MIG mode and has no slice to run on",
        why="in MIG mode a GPU runs nothing itself, only its compute instances do",
        cure="create one (sudo nvidia-smi mig -cgi 0 -C), or leave MIG mode (nvidia-smi -mig 0)",
    )


def _named(gpus: dict[int, str] | dict[int, str | None]) -> str:
    return f"GPU {', '.join(map(str, gpus))} {'does' if len(gpus) == 1 else 'do'}"


def _others(others: bool) -> str:
    return "; the others are shown" if others else ""


def no_library(gpus_on_pci: int | None) -> Trouble:
    if gpus_on_pci:
        return Trouble(
            what=f"{gpus_on_pci} NVIDIA GPU(s) here, and no NVIDIA driver library",
            why="libnvidia-ml.so.1 is not on the library path",
            cure="install the NVIDIA driver; in a container, start it with --gpus all",
        )
    return Trouble(
        what=NO_GPU,
        why="there is no NVIDIA driver library (libnvidia-ml.so.1)",
        cure="nothing to do on a machine without an NVIDIA GPU; else install the driver",
    )


def _kernel_module(path: Path = Path("/proc/driver/nvidia/version")) -> str:
    """The version of the module that is loaded, in brackets; "" where it cannot be read."""
    try:
        first = path.read_text(errors="replace").splitlines()[0]
    except (OSError, IndexError):
        return ""
    version = next((word for word in first.split() if word[:1].isdigit() and "." in word), None)
    return "" if version is None else f" ({version})"


def nvidia_gpus_on_pci(bus: Path = Path("/sys/bus/pci/devices")) -> int | None:
    """NVIDIA display controllers (PCI class 0x03…) on the bus; None where there is no sysfs."""
    try:
        devices = list(bus.iterdir())
    except OSError:
        return None
    found = 0
    for device in devices:
        try:
            vendor = (device / "vendor").read_text().strip()
            display = (device / "class").read_text().startswith("0x03")
        except OSError:
            continue
        found += vendor == _NVIDIA_PCI_VENDOR and display
    return found
