"""Reading events while they are written: incremental, typed, at a bounded memory."""

from __future__ import annotations

import contextlib
import heapq
import os
from collections.abc import Iterator
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from tunewright.engine.run.events import Event

CHUNK_BYTES = 1 << 20
_TAIL_BYTES = 1 << 16

E = TypeVar("E")


class EventFile(Generic[E]):
    """One writer's events, decoded as `as_type`, from where the last read ended.

    A torn last line waits for its rest. `offset` is the byte where the next read begins.
    """

    def __init__(self, path: Path, as_type: Any = Event) -> None:
        self.path = path
        self.skipped = 0
        self.offset = 0
        self._decoder: msgspec.json.Decoder[E] = msgspec.json.Decoder(as_type)

    def read_new(self) -> Iterator[list[E]]:
        """Whole new lines, decoded, a batch of about a mebibyte at a time.

        Lines of unknown kinds and damaged ones are left out and counted in `skipped`.
        """
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(self.offset)
            rest = b""
            while chunk := file.read(CHUNK_BYTES):
                lines, newline, rest = (rest + chunk).rpartition(b"\n")
                if newline:
                    self.offset += len(lines) + 1
                    yield self._decode(lines)

    def _decode(self, lines: bytes) -> list[E]:
        try:
            return self._decoder.decode_lines(lines)
        except (msgspec.DecodeError, msgspec.ValidationError):
            events = []
            for line in lines.split(b"\n"):
                try:
                    events.append(self._decoder.decode(line))
                except (msgspec.DecodeError, msgspec.ValidationError):
                    self.skipped += bool(line)
            return events


class RunEvents:
    """All events of a run, as they come. Attempts in order; within a read, by time."""

    def __init__(self, folder: Path, from_attempt: int = 1) -> None:
        self._folder = folder
        self._from = from_attempt
        self._files: dict[str, EventFile[Event]] = {}

    def read_new(self) -> Iterator[Event]:
        """Events since the last call; of each file only a batch is in memory at a time."""
        for path in self._folder.glob("*-*.jsonl"):
            number = path.name.split("-", 1)[0]
            if number.isdigit() and int(number) >= self._from:
                self._files.setdefault(path.name, EventFile(path))
        attempts: dict[int, list[EventFile[Event]]] = {}
        for name in sorted(self._files):
            attempts.setdefault(int(name.split("-", 1)[0]), []).append(self._files[name])
        for _, files in sorted(attempts.items()):
            told = [chain.from_iterable(file.read_new()) for file in files]
            yield from heapq.merge(*told, key=attrgetter("time"))


def worker_files(folder: Path) -> list[Path]:
    """The event files of the first worker of each attempt, oldest attempt first."""
    paths = [p for p in folder.glob("*-worker0.jsonl") if p.name.split("-", 1)[0].isdigit()]
    return sorted(paths, key=lambda p: int(p.name.split("-", 1)[0]))


def last_event(path: Path, kind: type[E]) -> E | None:
    """The last whole event of that kind in the last 64 KiB of a file; None when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return None
    decoder = msgspec.json.Decoder(kind)
    for line in reversed(lines):
        with contextlib.suppress(msgspec.DecodeError, msgspec.ValidationError):
            return decoder.decode(line)
    return None


def sampled(path: Path, as_type: Any, count: int) -> list[Any]:
    """About `count` events spread evenly over a file, in its order: a first look at a large one."""
    decoder = msgspec.json.Decoder(as_type)
    found = []
    try:
        with path.open("rb") as file:
            every = max(1, file.seek(0, os.SEEK_END) // count)
            for at in range(0, every * count, every):
                file.seek(at)
                file.readline()
                with contextlib.suppress(msgspec.DecodeError, msgspec.ValidationError):
                    found.append(decoder.decode(file.readline()))
    except OSError:
        return found
    return found
