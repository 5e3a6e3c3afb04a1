"""The bytes of a file, unpacked on the way when it is compressed. Known by content, not by name."""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tunewright.hardware.errors import Problem

_GZIP, _ZSTD, _BZIP2, _XZ = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00"
# Bytes by which a file is known.
_HEAD = 64 << 10
COMPRESSED_ENDINGS = (".gz", ".zst", ".bz2", ".xz")


class CutOff(Exception):
    """A compressed file ends before its end, or is damaged from some byte on."""


def check_regular(path: Path) -> None:
    """A `Problem` for what cannot be read twice: a pipe would wait for a writer."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise Problem(
                f"{path} is not a regular file",
                why="data is read more than once: to check it, to train on it, to replay",
                cure="write the rows to a file and name that",
            )
    except OSError as error:
        raise unreadable(path, error) from error


def open_bytes(path: Path) -> IO[bytes]:
    """The file for reading, decompressed if it is gzip, zstd, bzip2 or xz, as UTF-8 if it is UTF-16
    or UTF-32, with LF at the ends of lines if it has CR alone."""
    check_regular(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        opened: IO[bytes] = _opener(head)(path)
    except OSError as error:
        raise unreadable(path, error) from error
    return opened


def _opener(head: bytes) -> Any:
    wide = _wide(head)
    if wide is not None:
        # As Windows writes it: read as UTF-8 by whoever comes after.
        return lambda path: codecs.EncodedFile(path.open("rb"), "utf-8", wide, "replace")
    if head.startswith(_GZIP):
        import gzip

        return gzip.open
    if head.startswith(_BZIP2) and head[3:4].isdigit():
        import bz2

        return bz2.open
    if head.startswith(_XZ):
        import lzma

        return lzma.open
    if head.startswith(_ZSTD):
        import sys

        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd

        return zstd.open
    if b"\r" in head and b"\n" not in head:
        return lambda path: io.BufferedReader(_OldLines(path.open("rb")), _HEAD)
    return lambda path: path.open("rb")


def _wide(head: bytes) -> str | None:
    """The encoding of a text whose letters have two bytes or four: by its byte order mark, or by
    the empty bytes of JSON's first letters."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    first = head[:8]
    if len(first) == 8 and first[:1] in b"{[" and first[1::2] == bytes(4) and 0 not in first[::2]:
        return "utf-16-le"
    return None


class _OldLines(io.RawIOBase):
    """A file whose lines end with CR alone, as if they ended with LF."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(len(buffer)).replace(b"\r", b"\n")
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()


def pieces(file: IO[bytes], first: int, size: int) -> Iterator[bytes]:
    """The bytes: a piece of `first`, then ones of `size`; `CutOff` where a compressed file is not
    whole."""
    from lzma import LZMAError

    while True:
        try:
            piece = file.read(first)
        except (EOFError, zlib.error, LZMAError) as error:
            raise CutOff(str(error) or type(error).__name__) from error
        except OSError as error:
            # gzip's BadGzipFile is one; so is a disk that cannot be read any more.
            raise CutOff(str(error.strerror or error)) from error
        except Exception as error:
            # The library's own error, whose module differs by version of Python.
            if type(error).__name__ != "ZstdError":
                raise
            raise CutOff(str(error)) from error
        if not piece:
            return
        yield piece
        first = size


def unreadable(path: Path, error: OSError) -> Problem:
    """The file is missing, a folder, or not ours to read."""
    return Problem(
        f"cannot read {path}",
        why=str(error.strerror or error),
        cure="name a data file, a folder or a glob that exists and that you may read",
    )
