"""New files of rows: all of them, whole, under their names, or none."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from tunewright.engine.files import fsync_folder


@contextlib.contextmanager
def new_files(targets: Sequence[Path], sources: Sequence[Path]) -> Iterator[list[BinaryIO]]:
    """A file to write for each target, which gets its name when all is written. Where that fails,
    or the process is told to end, none is left; what a killed one left is removed by the next for
    the same target. They can be read by nobody who could not read every one of `sources`."""
    mode = 0o666
    for source in sources:
        mode &= source.stat().st_mode
    names = [target.with_name(f".{target.name}.{os.getpid()}.tmp") for target in targets]
    for target in targets:
        _remove_left(target)
    with _ending_in_order():
        try:
            with contextlib.ExitStack() as stack:
                # The owner has to be able to write, and gets the rest of the source's rights.
                opened = [stack.enter_context(_open(name, mode | 0o600)) for name in names]
                yield opened
                for file in opened:
                    file.flush()
                    os.fsync(file.fileno())
            for name, target in zip(names, targets, strict=True):
                name.rename(target)
        finally:
            for name in names:
                name.unlink(missing_ok=True)
    for folder in {target.parent for target in targets}:
        fsync_folder(folder)


def _open(name: Path, mode: int) -> BinaryIO:
    return open(name, "xb", opener=lambda path, flags: os.open(path, flags, mode))


def _remove_left(target: Path) -> None:
    for path in target.parent.iterdir():
        found = re.fullmatch(re.escape(f".{target.name}.") + r"(\d+)\.tmp", path.name)
        if found and not _is_there(int(found[1])):
            path.unlink(missing_ok=True)


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """SIGTERM ends the block as an exception does, where nobody else has said what it does."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
