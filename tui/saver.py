"""Writing small files without waiting for the disk: the newest content of each path wins."""

from __future__ import annotations

import threading
from pathlib import Path

from tunewright.engine.files import write_atomic


class Saver:
    """A thread that writes what it is given, whole or not at all; `flush` waits for it."""

    def __init__(self) -> None:
        self._waiting: dict[Path, bytes] = {}
        self._changed = threading.Condition()
        self._busy = False
        self._thread: threading.Thread | None = None
        self._failed: dict[Path, OSError] = {}
        # What was written last of the files that another screen may change too.
        self._own: dict[Path, bytes] = {}
        # Where the other screen's content was put aside; taken by whoever tells it.
        self.set_aside: Path | None = None

    @property
    def trouble(self) -> OSError | None:
        """Why a file is not as it should be; None when all are."""
        return next(iter(self._failed.values()), None)

    def put(self, path: Path, content: bytes, *, shared: bool = False) -> None:
        """Have `content` written to `path`, its folder made, unless newer content comes first. What
        somebody else wrote to a `shared` path meanwhile is put aside, not lost."""
        with self._changed:
            if shared:
                self._own.setdefault(path, b"")
            self._waiting[path] = content
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Return when everything given so far is on disk, or has failed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._busy)

    def _write(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting))
                batch, self._waiting, self._busy = self._waiting, {}, True
            for path, content in batch.items():
                try:
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    if path in self._own:
                        self._keep_others(path, content)
                    write_atomic(path, content)
                    if path in self._own:
                        self._own[path] = content
                    self._failed.pop(path, None)
                except OSError as error:
                    self._failed[path] = error

    def _keep_others(self, path: Path, content: bytes) -> None:
        before = self._own[path]
        there = path.read_bytes() if before and path.is_file() else before
        if there not in (before, content):
            aside = path.with_name(f"{path.stem}.other.json")
            write_atomic(aside, there)
            self.set_aside = aside
