"""What a cgroup leaves to this process: CPU quota and memory, on v1 and v2.

A limit counts wherever it is set between the process's own group and the root, so every level is
looked at and the tightest wins. `proc` and `sys` roots are parameters so that tests can build them.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

# v1 writes "no limit" as the largest page-aligned number; no machine has an exbibyte.
_UNLIMITED_BYTES = 1 << 60


class CgroupLimits(msgspec.Struct, frozen=True):
    """`cpus` is quota / period; `memory_bytes` the limit; `memory_left_bytes` the limit minus what
    is used and cannot be reclaimed. None: no limit."""

    cpus: float | None = None
    memory_bytes: int | None = None
    memory_left_bytes: int | None = None


def read_limits(root: Path = Path("/")) -> CgroupLimits:
    """The tightest limits on this process; none at all where there are no cgroups (macOS)."""
    try:
        groups = parse_memberships((root / "proc/self/cgroup").read_text())
        mounts = parse_mounts((root / "proc/self/mountinfo").read_text())
    except OSError:
        return CgroupLimits()
    cpus: list[float] = []
    memory: list[int] = []
    left: list[int] = []
    for controller in ("", "cpu", "memory"):
        if controller not in groups or controller not in mounts:
            continue
        mounted_root, mount_point = mounts[controller]
        top = root / mount_point.lstrip("/")
        for folder in _levels(top, mounted_root, groups[controller]):
            quota = _v2_cpus(folder) if controller == "" else _v1_cpus(folder)
            if quota is not None:
                cpus.append(quota)
            limit = _v2_memory(folder) if controller == "" else _v1_memory(folder)
            if limit is not None:
                memory.append(limit)
                used = _unreclaimable(folder)
                left.append(max(0, limit - used) if used is not None else limit)
    return CgroupLimits(min(cpus, default=None), min(memory, default=None), min(left, default=None))


def parse_memberships(text: str) -> dict[str, str]:
    """/proc/self/cgroup -> {controller: path}; the v2 hierarchy has the empty name, systemd's own
    v1 hierarchy is "name=systemd"."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            for controller in parts[1].split(","):
                found[controller] = parts[2]
    return found


def parse_mounts(text: str) -> dict[str, tuple[str, str]]:
    """/proc/self/mountinfo -> {controller: (root inside the hierarchy, mount point)} (proc(5))."""
    found: dict[str, tuple[str, str]] = {}
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        fields, tail = before.split(), after.split()
        if not separator or len(fields) < 5 or len(tail) < 3:
            continue
        where = (fields[3], fields[4])
        if tail[0] == "cgroup2":
            found[""] = where
        elif tail[0] == "cgroup":
            for option in tail[2].split(","):
                found[option] = where
    return found


def _levels(top: Path, mounted_root: str, path: str) -> list[Path]:
    """The folders from the process's group up to the mount point. In a container the mount can
    show only a part of the hierarchy, `mounted_root`, that the path then still begins with."""
    inside = path
    if mounted_root != "/" and (path + "/").startswith(mounted_root.rstrip("/") + "/"):
        inside = path[len(mounted_root.rstrip("/")) :]
    folder = top / inside.strip("/")
    if ".." in folder.parts or not folder.is_dir():
        folder = top
    levels = [folder]
    while levels[-1] != top:
        levels.append(levels[-1].parent)
    return levels


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


def _v2_cpus(folder: Path) -> float | None:
    quota, _, period = (_read(folder / "cpu.max") or "").partition(" ")
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _v1_cpus(folder: Path) -> float | None:
    quota = _number(folder / "cpu.cfs_quota_us")
    period = _number(folder / "cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None


def _v2_memory(folder: Path) -> int | None:
    # Above memory.high the kernel throttles the group to a crawl, so it is a limit too.
    limits = [_number(folder / name) for name in ("memory.max", "memory.high")]
    return min((limit for limit in limits if limit is not None), default=None)


def _v1_memory(folder: Path) -> int | None:
    limit = _number(folder / "memory.limit_in_bytes")
    return limit if limit is not None and limit < _UNLIMITED_BYTES else None


def _unreclaimable(folder: Path) -> int | None:
    """Bytes in use minus file cache that is dropped on demand (Kubernetes' "working set")."""
    used = _number(folder / "memory.current")
    key = "inactive_file"
    if used is None:
        used, key = _number(folder / "memory.usage_in_bytes"), "total_inactive_file"
    if used is None:
        return None
    for line in (_read(folder / "memory.stat") or "").splitlines():
        name, _, value = line.partition(" ")
        if name == key and value.isdigit():
            return max(0, used - int(value))
    return used
