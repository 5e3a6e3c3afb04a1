"""The one door to NVML (nvidia-ml-py). Nothing of pynvml leaves this file.

Every query stands alone: a field that the driver refuses is None with its reason, a GPU that fails
does not hide the others, and a driver that cannot be reached is a `Trouble` to show.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tunewright.hardware.snapshot import Gpu, GpuProcess, Trouble
from tunewright.hardware.visible import visible_gpus

V = TypeVar("V")

_NVIDIA_PCI_VENDOR = "0x10de"


class NvmlReading(msgspec.Struct, frozen=True):
    """The GPUs this process may use, in CUDA's order; `index` of each is NVML's.

    `cuda_version` is the newest CUDA that the driver can run. `trouble` says why `gpus` is empty
    or incomplete.
    """

    gpus: tuple[Gpu, ...]
    driver_version: str | None
    cuda_version: tuple[int, int] | None
    trouble: Trouble | None


class _Lost(Exception):
    """The driver cannot reach the GPU any more: nothing else about it can be asked."""


def read_gpus(environ: Mapping[str, str] | None = None) -> NvmlReading:
    """Read all visible NVIDIA GPUs (`environ` instead of the process's own, for CUDA_* variables).

    Never raises for the state of the machine: what could not be read is in the reading.
    """
    environ = os.environ if environ is None else environ
    try:
        import pynvml
    except ImportError as error:
        return _nothing(
            Trouble(
                what="NVIDIA's management library has no Python binding here",
                why=str(error),
                cure="pip install nvidia-ml-py",
            )
        )
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return _nothing(_init_trouble(pynvml, error))
    try:
        return _read_all(pynvml, environ)
    finally:
        pynvml.nvmlShutdown()


def _read_all(nvml: Any, environ: Mapping[str, str]) -> NvmlReading:
    driver = _system(nvml, nvml.nvmlSystemGetDriverVersion)
    cuda = _system(nvml, nvml.nvmlSystemGetCudaDriverVersion_v2)
    cuda_version = None if cuda is None else (cuda // 1000, cuda % 1000 // 10)
    try:
        count = int(nvml.nvmlDeviceGetCount())
    except nvml.NVMLError as error:
        trouble = Trouble(
            what="The NVIDIA driver would not count its GPUs",
            why=_reason(error),
            cure="run nvidia-smi; if it fails too, reboot or reinstall the driver",
        )
        return NvmlReading((), driver, cuda_version, trouble)

    devices: dict[int, Gpu] = {}
    failed: dict[int, str] = {}
    for index in range(count):
        try:
            devices[index] = _read_device(nvml, index)
        except (_Lost, nvml.NVMLError) as error:
            failed[index] = _reason(error)
    all_gpus = [devices.get(i) for i in range(count)]
    uuids = [gpu.uuid if gpu else None for gpu in all_gpus]
    visible = visible_gpus(uuids, [gpu.name for gpu in all_gpus if gpu], environ)
    gpus = tuple(devices[i] for i in visible.indices if i in devices)
    # A lost GPU has no UUID to be named by, so a visibility that stumbles may be about it.
    lost = {i: why for i, why in failed.items() if visible.trouble or i in visible.indices}
    return NvmlReading(gpus, driver, cuda_version, _lost_trouble(lost) if lost else visible.trouble)


def _read_device(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    unknown: dict[str, str] = {}

    def ask(field: str, query: Callable[[], V]) -> V | None:
        try:
            return query()
        except nvml.NVMLError as error:
            if error.value in (nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED):
                raise _Lost(str(error)) from error
            unknown[field] = _reason(error)
            return None
        except UnicodeDecodeError as error:
            unknown[field] = f"the driver's answer is not text: {error.reason}"
            return None

    name = ask("name", lambda: str(nvml.nvmlDeviceGetName(handle)))
    uuid = ask("uuid", lambda: str(nvml.nvmlDeviceGetUUID(handle)))
    memory = ask("memory", lambda: _memory(nvml, handle))
    if memory is None:
        reason = unknown.pop("memory")
        unknown.update(dict.fromkeys(("total_bytes", "free_bytes", "used_bytes"), reason))
    capability = ask(
        "compute_capability", lambda: tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle))
    )
    processes = ask("processes", lambda: _processes(nvml, handle)) or ()
    return Gpu(
        index=index,
        uuid=uuid,
        name=name or f"GPU {index}",
        total_bytes=memory and memory[0],
        free_bytes=memory and memory[1],
        used_bytes=memory and memory[2],
        compute_capability=capability and (int(capability[0]), int(capability[1])),
        processes=processes,
        unknown=unknown,
    )


def _memory(nvml: Any, handle: Any) -> tuple[int, int, int]:
    """(total, free, used) bytes. The v2 call does not count the driver's own reserve as used;
    drivers before 510 only have the first one."""
    try:
        info = nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    except nvml.NVMLError as error:
        if error.value != nvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        info = nvml.nvmlDeviceGetMemoryInfo(handle)
    return int(info.total), int(info.free), int(info.used)


def _processes(nvml: Any, handle: Any) -> tuple[GpuProcess, ...]:
    """Compute and graphics processes, one entry a pid (a pid can be in both lists)."""
    used: dict[int, int | None] = {}
    for kind in ("Compute", "Graphics"):
        for process in _running(nvml, handle, kind):
            used.setdefault(int(process.pid), process.usedGpuMemory)
    return tuple(_describe(pid, size) for pid, size in sorted(used.items()))


def _running(nvml: Any, handle: Any, kind: str) -> list[Any]:
    call = f"nvmlDeviceGet{kind}RunningProcesses"
    try:
        return list(getattr(nvml, f"{call}_v3")(handle))
    except nvml.NVMLError as error:
        # Drivers before 510 lack v3, and its struct is that of v2.
        if error.value != nvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        return list(getattr(nvml, f"{call}_v2")(handle))


def _describe(pid: int, used_bytes: int | None) -> GpuProcess:
    """Only the program's name: a command line can hold a token, and snapshots are kept."""
    import psutil

    try:
        process = psutil.Process(pid)
        own = bool(process.uids().real == os.getuid())
        return GpuProcess(pid, used_bytes, process.username(), process.name(), own)
    except (psutil.Error, OSError):
        # Gone meanwhile, or in another pid namespace: NVML reports the host's pids.
        return GpuProcess(pid, used_bytes)


def _system(nvml: Any, query: Callable[[], V]) -> V | None:
    try:
        return query()
    except (nvml.NVMLError, UnicodeDecodeError):
        return None


def _reason(error: Exception) -> str:
    return f"NVML says: {error}"


def _nothing(trouble: Trouble) -> NvmlReading:
    return NvmlReading((), None, None, trouble)


def _lost_trouble(lost: dict[int, str]) -> Trouble:
    which = ", ".join(str(i) for i in lost)
    return Trouble(
        what=f"GPU {which} does not answer; the others are shown",
        why="; ".join(dict.fromkeys(lost.values())),
        cure="nvidia-smi -r resets it when nothing uses it (root); else reboot, and look for "
        "'Xid' in dmesg",
    )


def _init_trouble(nvml: Any, error: Any) -> Trouble:
    if error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        return _no_library(_nvidia_gpus_on_pci())
    if error.value == nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
        return Trouble(
            what="The NVIDIA driver in the kernel and its library have different versions",
            why="the driver was updated and the old kernel module is still loaded",
            cure="reboot (or unload and reload the nvidia kernel modules)",
        )
    if error.value == nvml.NVML_ERROR_DRIVER_NOT_LOADED:
        return Trouble(
            what="The NVIDIA driver is installed and not loaded",
            why=_reason(error),
            cure="sudo modprobe nvidia; in a container, start it with --gpus all",
        )
    if error.value == nvml.NVML_ERROR_NO_PERMISSION:
        return Trouble(
            what="This user may not talk to the NVIDIA driver",
            why=_reason(error),
            cure="check the owner and mode of /dev/nvidia* and /dev/nvidiactl",
        )
    return Trouble(
        what="The NVIDIA driver could not be reached",
        why=_reason(error),
        cure="run nvidia-smi; if it fails too, reboot or reinstall the driver",
    )


def _no_library(gpus_on_pci: int | None) -> Trouble:
    if gpus_on_pci:
        return Trouble(
            what=f"{gpus_on_pci} NVIDIA GPU(s) here, and no NVIDIA driver library",
            why="libnvidia-ml.so.1 is not on the library path",
            cure="install the NVIDIA driver; in a container, start it with --gpus all",
        )
    return Trouble(
        what="No NVIDIA GPU was found",
        why="there is no NVIDIA driver library (libnvidia-ml.so.1)",
        cure="nothing to do on a machine without an NVIDIA GPU; else install the driver",
    )


def _nvidia_gpus_on_pci(bus: Path = Path("/sys/bus/pci/devices")) -> int | None:
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
