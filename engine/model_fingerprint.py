"""Knowing a model folder again without reading all of it: 140 GB are checked in a second."""

from __future__ import annotations

import os
from pathlib import Path

from tunewright.hardware.errors import Exit, Problem

# Read whole: they decide what the weights are and what text becomes.
_WHOLE = (
    "chat_template.jinja",
    "config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
_PIECES = 64
_PIECE_BYTES = 1 << 16


def model_fingerprint(folder: Path) -> str:
    """ "sha256:<hex>" over configuration, tokenizer and template, and over the size, the header and
    64 evenly spread pieces of each safetensors file.

    Other weights of the same shape differ in every piece; a single changed number may be missed.
    """
    import hashlib

    digest = hashlib.sha256()
    try:
        for name in _WHOLE:
            if (folder / name).is_file():
                digest.update(f"{name}\0".encode() + (folder / name).read_bytes())
        for path in sorted(folder.glob("*.safetensors")):
            bytes_ = path.stat().st_size
            digest.update(f"{path.name}\0{bytes_}\n".encode())
            with path.open("rb") as file:
                # The first piece holds the header, as a rule; the rest lie between it and the end.
                for index in range(_PIECES):
                    file.seek(max(0, bytes_ - _PIECE_BYTES) * index // (_PIECES - 1), os.SEEK_SET)
                    digest.update(file.read(_PIECE_BYTES))
    except OSError as error:
        raise Problem(
            f"cannot read {error.filename or folder}",
            why=error.strerror or str(error),
            cure="make the model folder readable",
        ) from error
    return f"sha256:{digest.hexdigest()}"


def check_model_unchanged(folder: Path, expected: str | None) -> None:
    """A `Problem` when the folder is not the one with that fingerprint; None is not checked."""
    if expected is None:
        return
    found = model_fingerprint(folder)
    if found != expected:
        raise Problem(
            f"{folder} is not the model that was planned with",
            why=f"its fingerprint is {found}, the session says {expected}: weights, configuration, "
            "tokenizer or template have changed",
            cure="restore the folder, or plan anew: drop model_fingerprint from the session",
            exit=Exit.REPLAY_DIFFERS,
        )
