"""Room on disk: the file system under each place that is written to, and /dev/shm."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tunewright.hardware.deadline import Overdue, all_within
from tunewright.hardware.snapshot import Disk

# A dead network mount answers no stat; a healthy disk answers within milliseconds.
_SECONDS = 1.0


def read_disks(places: Mapping[str, Path], root: Path = Path("/")) -> tuple[Disk, ...]:
    """The file systems under `places` (what it is for -> folder, which need not exist yet)."""
    mounts = read_mounts(root)
    answers, errors = all_within(
        _SECONDS,
        {f"disk {path}": partial(_room, path) for path in places.values()},
        OSError,
    )
    disks = []
    for place, path in places.items():
        question = f"disk {path}"
        filesystem = filesystem_of(path, mounts)
        unknown = {} if filesystem else {"filesystem": "the kernel lists no mounts here"}
        total, free = answers.get(question, (None, None))
        if question in errors:
            error = errors[question]
            reason = (
                f"the file system has not answered within {error.seconds:g} s"
                if isinstance(error, Overdue)
                else str(error)
            )
            unknown |= {"total_bytes": reason, "free_bytes": reason}
        disks.append(Disk(place, str(path), filesystem, total, free, unknown))
    return tuple(disks)


def _room(path: Path) -> tuple[int, int]:
    """(total, free) bytes of the file system that `path` is on, or will be on."""
    existing = path.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    room = os.statvfs(existing)
    return room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize


def read_shm(path: Path = Path("/dev/shm")) -> tuple[int, int] | None:
    """(total, free) bytes of shared memory, that data loaders and NCCL use; None without it."""
    if not path.is_dir():
        return None
    return _room(path)


def read_mounts(root: Path = Path("/")) -> dict[str, str]:
    """Mount point -> file system type, from /proc/self/mountinfo (proc(5)); {} elsewhere."""
    try:
        text = (root / "proc/self/mountinfo").read_text(errors="replace")
    except OSError:
        return {}
    mounts: dict[str, str] = {}
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        fields, tail = before.split(), after.split()
        if separator and len(fields) >= 5 and tail:
            # Spaces and the like are written as octal escapes; a later mount hides an earlier one.
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
            mounts[point] = tail[0]
    return mounts


def filesystem_of(path: Path, mounts: Mapping[str, str]) -> str | None:
    """The type of the innermost mount above `path`."""
    # Resolved lexically: following links would touch the disk.
    absolute = Path(os.path.normpath(path.absolute()))
    for folder in (absolute, *absolute.parents):
        if str(folder) in mounts:
            return mounts[str(folder)]
    return None
