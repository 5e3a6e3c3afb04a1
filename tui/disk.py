"""What is said of a file that cannot be read or written, where nothing nearer says more."""

from __future__ import annotations

import errno

from tunewright.hardware.errors import Problem

_CURES = {
    errno.ENOSPC: "free some space, or name a place on another disk",
    errno.EACCES: "name a place that you may use, or change its permissions",
    errno.EROFS: "name a place that can be written",
    errno.ENOENT: "make the folder first, or name one that is there",
    errno.ENOTDIR: "name a folder where a folder is wanted",
    errno.EEXIST: "name another place",
}


def of_disk(error: OSError) -> Problem:
    """The problem that an `OSError` is to a person."""
    return Problem(
        f"cannot use {error.filename}" if error.filename else "a file cannot be read or written",
        why=error.strerror or str(error),
        cure=_CURES.get(error.errno or 0, "try again; if it stays so, please report it"),
    )
