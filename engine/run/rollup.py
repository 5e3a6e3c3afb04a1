"""What a long events file comes to, kept beside it: a screen then need not decode a million lines.

    events/1-worker0.jsonl       the truth
    events/1-worker0.rollup      stretches of it: steps as columns, all other lines as they stand

The supervisor adds a stretch for every mebibyte; whoever reads takes the stretches and then the
lines that follow them. A stretch counts when it follows the one before, is whole, and ends on the
bytes that the events file has there; from the first that does not, the events are read instead.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from tunewright.engine.run.curves import Batch, Curves, Rare, Told, batch_of
from tunewright.engine.run.reader import EventFile, worker_files

# Less than this is decoded in 3 ms.
STRETCH_BYTES = 1 << 20
_VERSION = 1
_LENGTH_BYTES = 8
# So many bytes before the end of a stretch are held against the events file.
_SEEN_BYTES = 256


class _Stretch(msgspec.Struct, frozen=True, array_like=True):
    """The events from byte `start` to `end`: columns as their machine's bytes, rare lines as JSON.

    `checksum` is the CRC-32 of what stands before `end` in the events, the columns and the lines.
    """

    version: int
    start: int
    end: int
    checksum: int
    columns: tuple[bytes, ...]
    rare: tuple[bytes, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stretch)
_rare: msgspec.json.Decoder[Rare] = msgspec.json.Decoder(Rare)


class ToldFile:
    """One worker's events as batches, from where the last read ended; by its rollup as far as that
    reaches."""

    def __init__(self, path: Path) -> None:
        self._events: EventFile[Told] = EventFile(path, Told)
        self._rolled = False

    def read_new(self) -> Iterator[Batch]:
        """What came since the last call, a batch at a time."""
        if not self._rolled:
            self._rolled = True
            for batch, end, _ in _stretches(self._events.path):
                self._events.offset = end
                yield batch
        for told in self._events.read_new():
            yield batch_of(told)

    @property
    def skipped(self) -> int:
        """How many lines were no events."""
        return self._events.skipped


def read_curves(folder: Path) -> Curves:
    """The curves of all attempts of a run as they stand now; the newer attempt supersedes."""
    curves = Curves()
    for path in worker_files(folder):
        for batch in ToldFile(path).read_new():
            curves.add(batch)
    return curves


class Rollups:
    """Keeps the rollups of a run's events up. For the one process that holds the run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, EventFile[Told]] = {}

    def keep_up(self) -> None:
        """Roll up what has grown by a stretch; a few calls of `stat` where nothing has. OSError
        when it cannot be written: what was written is looked at again before more is added."""
        for path in worker_files(self._folder):
            # Taken out, so that it is only kept when all went well.
            file = self._files.pop(path, None) or _begun(path)
            if path.stat().st_size - file.offset >= STRETCH_BYTES:
                _extend(file)
            self._files[path] = file


def _begun(path: Path) -> EventFile[Told]:
    """The events that are not rolled up yet; what does not hold of the rollup is cut off."""
    events: EventFile[Told] = EventFile(path, Told)
    rollup, holds = _beside(path), 0
    for _, end, upto in _stretches(path):
        events.offset, holds = end, upto
    if rollup.exists() and rollup.stat().st_size > holds:
        os.truncate(rollup, holds)
    return events


def _extend(events: EventFile[Told]) -> None:
    with _beside(events.path).open("ab") as rollup, events.path.open("rb") as source:
        start = events.offset
        for told in events.read_new():
            packed = _encoder.encode(_stretch(start, events.offset, batch_of(told), source))
            rollup.write(len(packed).to_bytes(_LENGTH_BYTES, "little") + packed)
            start = events.offset


def _stretch(start: int, end: int, batch: Batch, source: BinaryIO) -> _Stretch:
    columns = tuple(column.tobytes() for column in batch.columns)
    rare = tuple(msgspec.json.encode(event) for event in batch.rare)
    checksum = _checksum(columns, rare, end, source)
    return _Stretch(_VERSION, start, end, checksum, columns, rare)


def _checksum(
    columns: tuple[bytes, ...], rare: tuple[bytes, ...], end: int, source: BinaryIO
) -> int:
    first = max(0, end - _SEEN_BYTES)
    checksum = zlib.crc32(os.pread(source.fileno(), end - first, first))
    for part in (*columns, *rare):
        checksum = zlib.crc32(part, checksum)
    return checksum


def _stretches(path: Path) -> Iterator[tuple[Batch, int, int]]:
    """What holds of a rollup: each batch, where it ends in the events, and in the rollup."""
    try:
        with _beside(path).open("rb") as rollup, path.open("rb") as source:
            end, size = 0, os.fstat(rollup.fileno()).st_size
            while length := int.from_bytes(rollup.read(_LENGTH_BYTES), "little"):
                if length > size:
                    return
                stretch = _decoder.decode(rollup.read(length))
                checksum = _checksum(stretch.columns, stretch.rare, stretch.end, source)
                if (stretch.version, stretch.start, stretch.checksum) != (_VERSION, end, checksum):
                    return
                end = stretch.end
                rare = [_rare.decode(line) for line in stretch.rare]
                yield Batch.of_bytes(stretch.columns, rare), end, rollup.tell()
    except (OSError, ValueError, msgspec.MsgspecError):
        # No rollup, or none that is whole from here on: the events tell.
        return


def _beside(path: Path) -> Path:
    return path.with_suffix(".rollup")
