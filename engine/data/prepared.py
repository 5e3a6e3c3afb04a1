"""The rows of a run: the same train and held-out examples for every stage of it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from tunewright.engine.data.example import Example
from tunewright.engine.data.read import fingerprint, read_examples
from tunewright.engine.data.split import split
from tunewright.engine.homes import cache_home
from tunewright.engine.model import resolve_data
from tunewright.engine.run.job import Job
from tunewright.engine.session import DataInput
from tunewright.hardware.errors import Exit, Problem


def load_split(job: Job) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Train and held-out examples of a run; a `Problem` when a file changed since it was planned."""
    return read_split(job.session.inputs.data, job.run_dir, job.session.inputs.seed)


@lru_cache(maxsize=1)
def read_split(
    data: DataInput, base: Path, seed: int
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Train and held-out examples of a data input whose relative paths start from `base`.

    A separate `eval_path` is taken whole; otherwise a seeded share is held out.
    """
    train_path, eval_path = resolve_data(data, base, cache_home())
    _check_unchanged(train_path, data.fingerprint)
    train = read_examples(train_path, data.format).examples
    if eval_path is None:
        return split(train, data.eval_fraction, seed)
    _check_unchanged(eval_path, data.eval_fingerprint)
    return train, read_examples(eval_path, data.format).examples


def _check_unchanged(path: Path, expected: str | None) -> None:
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
