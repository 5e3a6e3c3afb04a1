"""Rows that were read once and lie on disk from then on: any number of them, a few bytes each in
memory, and every one at hand by its number."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, overload

import msgspec

from tunewright.engine.data.example import Example, Message
from tunewright.engine.data.places import Places, SomePlaces
from tunewright.engine.files import large_folder, unnamed_file
from tunewright.hardware.errors import Exit, Problem

_WRITTEN = 1 << 20
# What MessagePack cannot hold (half a surrogate pair, an integer of over 64 bits) goes as JSON.
_PACKED, _JSON = b"m", b"j"


class _Row(msgspec.Struct, frozen=True, array_like=True):
    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...]


def unwritten(error: OSError) -> Problem:
    """What an unnamed file of rows met: a full disk."""
    return Problem(
        f"the rows cannot be written to {large_folder()}",
        why=error.strerror or str(error),
        cure="free some space there, as much as the rows take, or name another folder: "
        "TMPDIR=/FOLDER tunewright …",
        exit=Exit.FAILED,
    )


class Shelf:
    """Takes rows one by one, into an unnamed file that goes with the process. In memory stay the
    offset and the place of each: 16 bytes."""

    def __init__(self) -> None:
        self._file = unnamed_file("tunewright-rows-")
        self._waiting: list[bytes] = []
        self._size = 0
        self._offsets = array("Q", [0])
        self.places = Places()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(_Row).decode

    def __len__(self) -> int:
        return len(self.places)

    def add(self, example: Example) -> None:
        """Put a row at the end; a `Problem` when the disk is full."""
        row = _Row(example.messages, example.tools)
        try:
            text = _PACKED + self._encode(row)
        except (UnicodeEncodeError, OverflowError, TypeError):
            text = _JSON + json.dumps(msgspec.to_builtins(row), default=str).encode()
        self._waiting.append(text)
        self._size += len(text)
        self._offsets.append(self._offsets[-1] + len(text))
        self.places.add(example.place)
        if self._size >= _WRITTEN:
            self._write()

    def _write(self) -> None:
        try:
            self._file.write(b"".join(self._waiting))
            self._file.flush()
        except OSError as error:
            raise unwritten(error) from error
        self._waiting.clear()
        self._size = 0

    def stored(self) -> Stored:
        """All rows that were added; none may be added later."""
        self._write()
        return Stored(self, None)

    def row(self, number: int) -> Example:
        start, end = self._offsets[number], self._offsets[number + 1]
        text = _read(self._file.fileno(), start, end - start)
        if text[:1] == _PACKED:
            row = self._decode(memoryview(text)[1:])
        else:
            row = msgspec.convert(json.loads(text[1:]), _Row)
        return Example(row.messages, self.places[number], row.tools)


class Stored(Sequence[Example]):
    """Some rows of a shelf (`numbers`, ascending; None: all), read when they are asked for."""

    def __init__(self, shelf: Shelf, numbers: array[int] | None) -> None:
        self._shelf = shelf
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._shelf if self._numbers is None else self._numbers)

    @overload
    def __getitem__(self, at: int) -> Example: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Example, ...]: ...
    def __getitem__(self, at: int | slice) -> Example | tuple[Example, ...]:
        if isinstance(at, slice):
            return tuple(self[number] for number in range(*at.indices(len(self))))
        if at < 0:
            at += len(self)
        if not 0 <= at < len(self):
            raise IndexError(at)
        return self._shelf.row(at if self._numbers is None else self._numbers[at])

    def __iter__(self) -> Iterator[Example]:
        row = self._shelf.row
        for number in range(len(self)) if self._numbers is None else self._numbers:
            yield row(number)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return NotImplemented if not isinstance(other, Sequence) else False
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def only(self, numbers: array[int]) -> Stored:
        """The rows with these places in this sequence, which ascend."""
        if self._numbers is not None:
            numbers = array("I", (self._numbers[number] for number in numbers))
        return Stored(self._shelf, numbers)

    @property
    def places(self) -> SomePlaces:
        """Where these rows stand, without the rows."""
        return SomePlaces(self._shelf.places, self._numbers)


def _read(file: int, offset: int, size: int) -> bytes:
    """All bytes there are: one call gives at most 2 GiB."""
    text = os.pread(file, size, offset)
    while len(text) < size and (more := os.pread(file, size - len(text), offset + len(text))):
        text += more
    return text
