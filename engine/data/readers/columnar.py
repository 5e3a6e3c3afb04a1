"""Parquet, and Arrow files as `datasets` writes them: batches of rows through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.data.readers.block import Block, RawRow
from tunewright.hardware.errors import Problem

_ROWS = 1000


def read_parquet(path: Path) -> Iterator[Block]:
    """Blocks of rows, numbered from 1. A `Problem` without pyarrow, or for a damaged file."""
    pyarrow = _pyarrow(path)
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            yield from _blocks(file.iter_batches(batch_size=_ROWS))
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def read_arrow(path: Path) -> Iterator[Block]:
    """As `read_parquet`, for the stream and the file form of Arrow IPC."""
    pyarrow = _pyarrow(path)
    try:
        with pyarrow.memory_map(str(path)) as source:
            if source.read(6) == b"ARROW1":
                source.seek(0)
                file = pyarrow.ipc.open_file(source)
                batches: Any = (file.get_batch(i) for i in range(file.num_record_batches))
            else:
                source.seek(0)
                batches = pyarrow.ipc.open_stream(source)
            small = (
                batch.slice(start, _ROWS)
                for batch in batches
                for start in range(0, batch.num_rows, _ROWS)
            )
            yield from _blocks(small)
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _blocks(batches: Any) -> Iterator[Block]:
    first = 1
    for batch in batches:
        # Dates, decimals and bytes of a table become what JSON has for them.
        rows = msgspec.json.decode(msgspec.json.encode(batch.to_pylist(), enc_hook=str))
        yield Block(
            first,
            made=tuple(RawRow(first + at, row, row=first + at) for at, row in enumerate(rows)),
        )
        first += len(rows)


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError as error:
        raise Problem(
            f"{path} needs pyarrow to be read",
            why=str(error),
            cure="pip install 'tunewright[parquet]', or convert the file to JSONL",
        ) from error
    return pyarrow


def _damaged(path: Path, error: Exception) -> Problem:
    return Problem(
        f"{path} cannot be read as a table",
        why=str(error).splitlines()[0][:300] if str(error) else type(error).__name__,
        cure="fetch or export the file again",
    )
