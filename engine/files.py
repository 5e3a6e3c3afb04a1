"""Writing a file so that a reader sees the old text or the new, and a crash leaves one of them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write `data` (0600) to a temporary name beside `path`, fsync, rename, fsync the folder."""
    blob = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(blob)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Make a rename inside `folder` durable; file systems that cannot are left alone."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def unnamed_file(prefix: str) -> Any:
    """A file without a name, for what is too much for the memory; it goes with the process. In
    $TMPDIR, else in /var/tmp: /tmp is memory on many machines."""
    return tempfile.TemporaryFile(prefix=prefix, dir=large_folder())


def large_folder() -> str:
    """Where unnamed files are."""
    large = "/var/tmp"
    if not os.environ.get("TMPDIR") and os.access(large, os.W_OK | os.X_OK):
        return large
    return tempfile.gettempdir()
