"""Knowing a data file again. Light: a dry run needs nothing else of the data."""

from __future__ import annotations

from pathlib import Path

from tunewright.hardware.errors import Exit, Problem


def fingerprint(path: Path) -> str:
    """ "sha256:<hex>" of the file's bytes, read in pieces."""
    import hashlib  # 6 ms that a dry run on the recorded machine does without

    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise unreadable(path, error) from error
    return f"sha256:{digest.hexdigest()}"


def check_unchanged(path: Path, expected: str | None) -> None:
    """A `Problem` when the file is not the one with that fingerprint; None is not checked."""
    if expected is None:
        return
    found = fingerprint(path)
    if found != expected:
        raise Problem(
            f"{path} is not the data that was planned with",
            why=f"its fingerprint is {found}, the session says {expected}",
            cure="restore the file, or plan anew: drop the fingerprint from the session's inputs",
            exit=Exit.REPLAY_DIFFERS,
        )


def unreadable(path: Path, error: OSError) -> Problem:
    """The file is missing, a folder, or not ours to read."""
    return Problem(
        f"cannot read {path}",
        why=str(error.strerror or error),
        cure="name a JSONL or JSON file that exists and that you may read",
    )
