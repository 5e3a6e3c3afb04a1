"""Files of a model folder: what travels with the weights, and what tells two folders apart."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec

# What a server needs to ask the model as it was trained, and the licence it may be passed on under.
_COMPANIONS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "generation_config.json",
    "LICENSE",
    "LICENSE.txt",
    "NOTICE",
)


class FileMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Size and SHA-256 of one file."""

    bytes: int
    sha256: str


def copy_companions(base: Path, out: Path) -> None:
    """Copy tokenizer, chat template, generation settings and licence of `base`, byte for byte."""
    for name in _COMPANIONS:
        if (base / name).is_file():
            shutil.copyfile(base / name, out / name)


def mark(path: Path) -> FileMark:
    """Size and hash of a file; reads at about the speed of the disk."""
    with path.open("rb") as file:
        return FileMark(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def marks(folder: Path, leave_out: tuple[str, ...] = ()) -> dict[str, FileMark]:
    """The marks of all files right in `folder`, by name."""
    return {
        path.name: mark(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in leave_out
    }


def folder_bytes(folder: Path) -> int:
    """Bytes of all files right in `folder`."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
