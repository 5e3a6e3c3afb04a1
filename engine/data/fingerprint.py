"""Knowing a data file again. Light: a dry run needs nothing else of the data."""

from __future__ import annotations

from pathlib import Path

from tunewright.hardware.errors import Exit, Problem


def fingerprint(path: Path) -> str:
    """ "sha256:<hex>" of the file's bytes, read in pieces; of a folder or glob, of its files' names
    and fingerprints."""
    import hashlib  # 6 ms that a dry run on the recorded machine does without

    digest = hashlib.sha256()
    try:
        if not path.is_file():
            from tunewright.engine.data.sources import find_sources

            # Below the named folder, so that the folder may lie elsewhere on another machine.
            base = path if path.is_dir() else path.parent
            for source in find_sources(path):
                name = source.path.name
                if source.path.is_relative_to(base):
                    name = source.path.relative_to(base).as_posix()
                digest.update(f"{name}\0{fingerprint(source.path)}\n".encode())
            return f"sha256:{digest.hexdigest()}"
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        from tunewright.engine.data.readers.opened import unreadable

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
