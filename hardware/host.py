"""Reads the computer around the GPUs: `read_host`, and what a logout would do: `logout_kills`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tunewright.hardware.snapshot import Host, Trouble

# Instruction sets that change how a float sum is ordered or rounded (vector width, fused
# multiply-add, bf16 and dot-product units), by the kernel's names; x86 first, then Arm.
_NUMERIC_FEATURE = re.compile(
    r"avx2?|fma|f16c|avx_(vnni|vnni_int8|ne_convert)|avx512(f|bw|cd|dq|vl|_bf16|_fp16|_vnni)"
    r"|amx_(tile|bf16|fp16|int8)|asimd(hp|dp|fhm)?|bf16|i8mm|sve2?|svebf16|svei8mm|sme2?"
)


def read_host(places: Mapping[str, Path] | None = None) -> Host:
    """Read this computer, with the file systems under `places` (what it is for -> folder).

    `cores` and memory are what this process may use: CPU affinity and cgroup limits included.
    Never raises for the state of the machine.
    """
    import platform

    import psutil

    from tunewright.hardware.allocation import container, numa_nodes, slurm
    from tunewright.hardware.cgroup import read_limits
    from tunewright.hardware.storage import read_disks, read_shm

    unknown: dict[str, str] = {}
    limits = read_limits()
    memory = psutil.virtual_memory()
    cpuinfo = _read(Path("/proc/cpuinfo"))
    model = cpu_model(cpuinfo) or _sysctl("machdep.cpu.brand_string")
    if model is None:
        model = platform.machine()
        unknown["cpu_model"] = "the kernel does not name it; this is the architecture"
    features = cpu_features(_cpu_flags(cpuinfo))
    if not features:
        unknown["cpu_features"] = "the kernel lists no CPU flags here"
    boot_id = _read(Path("/proc/sys/kernel/random/boot_id")) or _sysctl("kern.bootsessionuuid")
    if boot_id is None:
        unknown["boot_id"] = "the kernel gives no boot id here"
    swap_total, swap_free = _swap(unknown)
    shm = read_shm()
    if shm is None:
        unknown["shm_total_bytes"] = "this system has no /dev/shm"
    return Host(
        hostname=platform.node(),
        cpu_model=model,
        cores=usable_cores(_affinity(), limits.cpus),
        cpu_features=features,
        ram_total_bytes=_least(memory.total, limits.memory_bytes),
        ram_available_bytes=_least(memory.available, limits.memory_left_bytes),
        boot_id=boot_id,
        unknown=unknown,
        cores_online=os.cpu_count(),
        cpu_quota=limits.cpus,
        ram_installed_bytes=memory.total,
        swap_total_bytes=swap_total,
        swap_free_bytes=swap_free,
        shm_total_bytes=shm and shm[0],
        shm_free_bytes=shm and shm[1],
        disks=read_disks(places) if places else (),
        numa=numa_nodes(),
        container=container(os.environ),
        slurm=slurm(os.environ),
        at_logout=logout_kills(),
    )


def _swap(unknown: dict[str, str]) -> tuple[int | None, int | None]:
    """(total, free) bytes; psutil reads /proc/vmstat too, which a container can lack."""
    import psutil

    try:
        swap = psutil.swap_memory()
    except (OSError, RuntimeError) as error:
        unknown["swap_total_bytes"] = str(error)
        return None, None
    return int(swap.total), int(swap.free)


def usable_cores(affinity: int, quota: float | None) -> int:
    """Cores to plan with: whole ones of the quota, since threads above it are throttled."""
    return max(1, affinity if quota is None else min(affinity, int(quota)))


def cpu_model(cpuinfo: str | None) -> str | None:
    """The model name in /proc/cpuinfo; Arm and RISC-V kernels often give none."""
    for line in (cpuinfo or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model", "uarch") and value.strip():
            return value.strip()
    return None


def cpu_features(flags: Iterable[str]) -> tuple[str, ...]:
    """The flags that change numerics, sorted."""
    return tuple(sorted({flag for flag in flags if _NUMERIC_FEATURE.fullmatch(flag)}))


def logout_kills() -> Trouble | None:
    """Why a detached run would die when this user logs out, with the cure; None when it lives."""
    memberships = _read(Path("/proc/self/cgroup"))
    if memberships is None:
        return None
    import pwd

    from tunewright.hardware.cgroup import parse_memberships
    from tunewright.hardware.logind import logout_trouble, read_policy

    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    groups = parse_memberships(memberships)
    paths = [groups[key] for key in ("", "name=systemd") if key in groups]
    lingers = (Path("/var/lib/systemd/linger") / user).exists()
    return logout_trouble(read_policy(), user, paths, lingers)


def _affinity() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_flags(cpuinfo: str | None) -> set[str]:
    for line in (cpuinfo or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return set(value.split())
    if sys.platform == "darwin":
        return _darwin_flags()
    return set()


def _darwin_flags() -> set[str]:
    """macOS spells them its own way. Every Apple-silicon CPU has Advanced SIMD (Armv8-A)."""
    intel = f"{_sysctl('machdep.cpu.features')} {_sysctl('machdep.cpu.leaf7_features')}"
    renamed = {"AVX1.0": "avx", "AVX2": "avx2", "FMA": "fma", "F16C": "f16c", "AVX512F": "avx512f"}
    flags = {renamed[name] for name in intel.split() if name in renamed}
    if _sysctl("hw.optional.arm64", number=True) == "1":
        flags.add("asimd")
        for key, name in (("FEAT_BF16", "bf16"), ("FEAT_I8MM", "i8mm"), ("FEAT_SME", "sme")):
            if _sysctl(f"hw.optional.arm.{key}", number=True) == "1":
                flags.add(name)
    return flags


def _sysctl(name: str, *, number: bool = False) -> str | None:
    """A value of macOS's sysctl; None elsewhere or when there is no such value."""
    if sys.platform != "darwin":
        return None
    import ctypes

    size = ctypes.c_size_t(512)
    buffer = ctypes.create_string_buffer(size.value)
    libc = ctypes.CDLL(None)
    if libc.sysctlbyname(name.encode(), buffer, ctypes.byref(size), None, 0) != 0:
        return None
    if number:
        return str(int.from_bytes(buffer.raw[: size.value], sys.byteorder))
    return buffer.value.decode(errors="replace").strip() or None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip() or None
    except OSError:
        return None


def _least(value: int, limit: int | None) -> int:
    return int(value) if limit is None else min(int(value), limit)
