"""The rows of a training as tokens on disk: written row by row, read through a memory map, so that
their number costs no memory. Written by one process for all ranks."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tunewright.engine.data.example import Example
from tunewright.engine.data.tokens import Loss, Renderer, Tokens
from tunewright.engine.run.events import Progress
from tunewright.engine.run.job import Job, Stopped
from tunewright.engine.train.together import Together

_FOLDER = "tokens"
# Rows that become tokens between two looks at orders, and are written at once.
_BATCH = 1000
_TELL_SECONDS = 5.0


@contextlib.contextmanager
def token_files(job: Job) -> Iterator[None]:
    """Whatever is made of tokens inside is gone afterwards: it can be made again from the rows,
    and takes as much disk as they do. What a killed attempt left goes at the beginning."""
    folder = job.run_dir / _FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def token_sets(
    job: Job,
    renderer: Renderer,
    sides: dict[str, Sequence[Example]],
    loss: Loss,
) -> dict[str, Any]:
    """A `datasets.Dataset` of input_ids and labels for each side, read from files. `Stopped` when
    asked to leave before all is written."""
    folder = job.run_dir / _FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    told = _Told(job, sum(map(len, sides.values())))
    for side, rows in sides.items():
        _write(folder / f"{side}.arrow", told.each(renderer.tokenize_all(rows, loss)))
    return {side: _open(job, side) for side in sides}


def shared_token_sets(job: Job, group: Together, made: dict[str, Any] | None) -> dict[str, Any]:
    """What rank 0 has `made`, for every rank of the group; all call this."""
    sides = ("train", "eval")
    there = [int(made is not None and side in made) for side in sides]
    there = group.told(there)
    if made is not None:
        return made
    return {side: _open(job, side) for side, is_there in zip(sides, there, strict=True) if is_there}


def _open(job: Job, side: str) -> Any:
    from datasets import Dataset

    return Dataset.from_file(str(job.run_dir / _FOLDER / f"{side}.arrow"))


def _write(path: Path, rows: Iterable[Tokens]) -> None:
    import pyarrow
    from pyarrow import ipc

    schema = pyarrow.schema(
        [(name, pyarrow.list_(pyarrow.int32())) for name in ("input_ids", "labels")]
    )
    waiting = iter(rows)
    path.unlink(missing_ok=True)
    with path.open("xb") as file, ipc.new_stream(file, schema) as writer:
        while batch := list(itertools.islice(waiting, _BATCH)):
            columns = [_column([row.input_ids for row in batch])]
            columns.append(_column([row.labels for row in batch]))
            writer.write_batch(pyarrow.record_batch(columns, schema=schema))


def _column(lists: Sequence[Sequence[int]]) -> Any:
    import pyarrow

    ends, values = array("i", [0]), array("i")
    for one in lists:
        values.extend(one)
        ends.append(len(values))
    numbers = (
        pyarrow.Array.from_buffers(
            pyarrow.int32(), len(some), [None, pyarrow.py_buffer(some.tobytes())]
        )
        for some in (ends, values)
    )
    return pyarrow.ListArray.from_arrays(*numbers)


class _Told:
    """Says how far the tokens are, where that takes long, and obeys while they are made."""

    def __init__(self, job: Job, total: int) -> None:
        self._job, self._total = job, total
        self._done = 0
        self._told = time.monotonic()

    def each(self, rows: Iterable[Tokens]) -> Iterator[Tokens]:
        for row in rows:
            yield row
            self._done += 1
            if self._done % _BATCH == 0:
                self._look()

    def _look(self) -> None:
        self._job.orders.wait_while_paused()
        because = self._job.orders.stop_requested()
        if because is not None:
            raise Stopped(because)
        if time.monotonic() - self._told > _TELL_SECONDS:
            self._told = time.monotonic()
            self._job.emit(Progress("train", self._done, self._total, "rows"))
