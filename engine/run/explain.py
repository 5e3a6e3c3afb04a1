"""An exception of a stage as what, why, cure."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from tunewright.engine.run.events import Failed
from tunewright.engine.text import size
from tunewright.hardware.errors import Problem

# With less than this free, a failed write of weights is put down to the disk.
FULL_BYTES = 16 << 20

_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
# safetensors passes the words of the system on; torch's writer of archives only where it stood.
_FULL_WORDS = ("No space left on device", "Disk quota exceeded")
_WRITER_WORDS = ("inline_container.cc", "PytorchStreamWriter failed")


def explain(error: BaseException, place: Path, resume: str) -> Failed:
    """What ended a stage of the run kept at `place`; `resume` is the command that goes on."""
    if isinstance(error, Problem):
        return Failed(what=error.what, why=error.why, cure=error.cure, exit=int(error.exit))
    name = type(error).__name__
    first = str(error).splitlines()[0] if str(error) else name
    full = disk_full(error, place)
    if full is not None:
        return Failed(what="the disk is full", why=full, cure=f"make room, then: {resume}")
    if isinstance(error, MemoryError) or name == "OutOfMemoryError":
        return Failed(
            what="out of memory",
            why=first,
            cure="halve the batch (--set per_device_train_batch_size=…, accumulation makes up for "
            "it), shorten max_length, or take a lighter method: --method qlora",
        )
    return Failed(
        what=f"the stage failed: {first}",
        why=name,
        cure="the traceback is in engine.log of the run directory",
    )


def free_bytes(place: Path) -> int | None:
    """Bytes that are free on the file system of `place`; None when it does not tell."""
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None


def disk_full(error: BaseException, place: Path) -> str | None:
    """Why the disk is thought to be full; None when it is not what ended the stage."""
    free = free_bytes(place)
    for cause in _chain(error):
        text = str(cause)
        if isinstance(cause, OSError) and cause.errno in _FULL_ERRNOS:
            return text
        if any(words in text for words in _FULL_WORDS):
            return text.splitlines()[0]
        if any(words in text for words in _WRITER_WORDS) and free is not None and free < FULL_BYTES:
            return f"{size(free)} are free where the run is kept; {text.splitlines()[0]}"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error`, what it was raised from, and what was being handled when it was raised."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__context__, one.__cause__]
