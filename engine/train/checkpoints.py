"""Which checkpoint can be trusted: each carries a manifest, written last. No torch, no pickle.

A folder without a manifest was cut off while it was written; one whose files differ from their
manifest was damaged afterwards. Both are passed over when a run resumes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tunewright.engine.files import write_atomic

MANIFEST = "tunewright.json"
_PREFIX = "checkpoint-"

_MIB = 1 << 20
# Up to this size a file is hashed whole; above, its head, its tail and samples between them, so
# that sealing 100 GB takes as long as sealing one.
_WHOLE = 64 * _MIB
_END = 4 * _MIB
_SAMPLE = 64 * 1024
_SAMPLES = 32


class FileMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a checkpoint: its size in bytes and the digest of `fingerprint`."""

    bytes: int
    digest: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a checkpoint holds. `tokens` and `seconds` of training count since step 0, across
    attempts."""

    step: int
    tokens: int
    seconds: float
    files: dict[str, FileMark]


class Checkpoint(msgspec.Struct, frozen=True):
    """A checkpoint whose files are those of its manifest. `bytes` is their sum."""

    path: Path
    manifest: Manifest

    @property
    def step(self) -> int:
        return self.manifest.step

    @property
    def bytes(self) -> int:
        return sum(mark.bytes for mark in self.manifest.files.values())


class Torn(msgspec.Struct, frozen=True):
    """A checkpoint that cannot be used, and why."""

    path: Path
    why: str


def seal(folder: Path, *, step: int, tokens: int, seconds: float) -> Checkpoint:
    """Make the files of a written checkpoint durable and write its manifest; returns it."""
    files = {}
    for path in _files(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[str(path.relative_to(folder))] = FileMark(path.stat().st_size, fingerprint(path))
    manifest = Manifest(step=step, tokens=tokens, seconds=seconds, files=files)
    write_atomic(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    return Checkpoint(folder, manifest)


def inspect(folder: Path) -> Checkpoint | Torn:
    """Read a checkpoint back: every file of the manifest with its size and digest."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return Torn(folder, "it has no manifest: writing it was cut off")
    except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
        return Torn(folder, f"its manifest cannot be read: {error}")
    if folder.name != f"{_PREFIX}{manifest.step}":
        return Torn(folder, f"its manifest is that of step {manifest.step}")
    for name, mark in manifest.files.items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size != mark.bytes:
                return Torn(folder, f"{name} has {size} bytes, its manifest says {mark.bytes}")
            if fingerprint(path) != mark.digest:
                return Torn(folder, f"{name} is not what was written: its digest differs")
        except FileNotFoundError:
            return Torn(folder, f"{name} is missing")
        except OSError as error:
            return Torn(folder, f"{name} cannot be read: {error.strerror}")
    return Checkpoint(folder, manifest)


def newest_good(folder: Path) -> tuple[Checkpoint | None, tuple[Torn, ...]]:
    """The newest checkpoint of `folder` that reads back whole, and the newer ones that do not."""
    torn: list[Torn] = []
    for path in reversed(_numbered(folder)):
        found = inspect(path)
        if isinstance(found, Checkpoint):
            return found, tuple(torn)
        torn.append(found)
    return None, tuple(torn)


def prune(folder: Path, keep: int, protect: Iterable[Path] = ()) -> list[Path]:
    """Delete all but the newest `keep` checkpoints and those in `protect`; returns what went.

    Called after a checkpoint was sealed and read back, so a good one is always left. A folder
    loses its manifest first: one that is half deleted is not taken for a checkpoint.
    """
    kept = {path.resolve() for path in protect}
    gone = [path for path in _numbered(folder)[:-keep] if path.resolve() not in kept]
    for path in gone:
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path)
    return gone


def discard(torn: Iterable[Torn]) -> None:
    """Delete checkpoints that cannot be used, so that their space is free and their names too."""
    for one in torn:
        shutil.rmtree(one.path)


def fingerprint(path: Path) -> str:
    """BLAKE2b of the file, or of its ends and evenly spaced samples when it is huge."""
    digest = hashlib.blake2b(digest_size=20)
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _WHOLE:
            while chunk := file.read(_MIB):
                digest.update(chunk)
            return f"blake2b:{digest.hexdigest()}"
        digest.update(file.read(_END))
        gap = (size - 2 * _END) // (_SAMPLES + 1)
        for at in range(1, _SAMPLES + 1):
            file.seek(_END + at * gap)
            digest.update(file.read(_SAMPLE))
        file.seek(size - _END)
        digest.update(file.read(_END))
    return f"blake2b-sampled:{digest.hexdigest()}"


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)


def _numbered(folder: Path) -> list[Path]:
    """The folders `checkpoint-N`, by N."""
    found = [
        (int(path.name.removeprefix(_PREFIX)), path)
        for path in folder.glob(f"{_PREFIX}*")
        if path.is_dir() and path.name.removeprefix(_PREFIX).isdigit()
    ]
    return [path for _, path in sorted(found)]
