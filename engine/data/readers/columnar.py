"""Parquet, and Arrow files as `datasets` writes them: batches of rows through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.data.readers.block import Block, RawRow
from tunewright.hardware.errors import Problem

_ROWS = 1000
# Bytes of a batch, by the average of the first groups of rows.
_BATCH_BYTES = 32 << 20
_GROUPS = 20


def read_parquet(path: Path) -> Iterator[Block]:
    """Blocks of rows, numbered from 1. A `Problem` without pyarrow, or for a damaged file."""
    pyarrow = _pyarrow(path)
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            yield from _blocks(file.iter_batches(batch_size=_rows_at_once(file.metadata)))
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _rows_at_once(about: Any) -> int:
    """Rows of a batch: fewer of such that are long."""
    groups = [about.row_group(at) for at in range(min(about.num_row_groups, _GROUPS))]
    return _few(sum(one.num_rows for one in groups), sum(one.total_byte_size for one in groups))


def _few(rows: int, size: int) -> int:
    return max(1, min(_ROWS, _BATCH_BYTES * max(1, rows) // max(1, size)))


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
                batch.slice(start, step)
                for batch in batches
                for step in (_few(batch.num_rows, batch.nbytes),)
                for start in range(0, batch.num_rows, step)
            )
            yield from _blocks(small)
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _blocks(batches: Any) -> Iterator[Block]:
    first = 1
    for batch in batches:
        classes = _class_names(batch.schema)
        batch = _as_text(batch)
        # Dates, decimals and bytes of a table become what JSON has for them.
        rows = msgspec.json.decode(msgspec.json.encode(batch.to_pylist(), enc_hook=str))
        for name, known in classes.items():
            for row in rows:
                row[name] = _class_name(row.get(name), known)
        yield Block(
            first,
            made=tuple(RawRow(first + at, row, row=first + at) for at, row in enumerate(rows)),
        )
        first += len(rows)


def _as_text(batch: Any) -> Any:
    """The batch with columns of bytes as text, where they are UTF-8."""
    import pyarrow

    for at, field in enumerate(batch.schema):
        kind = field.type
        if pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind):
            try:
                column = batch.column(at).cast(pyarrow.large_string())
            except pyarrow.ArrowInvalid:
                continue
            batch = batch.set_column(at, field.name, column)
    return batch


def _class_names(schema: Any) -> dict[str, list[str]]:
    """The names of classes by their column, as `datasets` writes them beside a table's columns: in
    the table they are numbers."""
    try:
        about = msgspec.json.decode((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = about["info"]["features"]
        found = {}
        for name, feature in features.items():
            inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
            if inner.get("_type") == "ClassLabel" and isinstance(inner.get("names"), list):
                found[name] = [str(one) for one in inner["names"]]
    except (msgspec.DecodeError, KeyError, AttributeError, TypeError):
        return {}
    return found


def _class_name(value: Any, names: list[str]) -> Any:
    if isinstance(value, list):
        return [_class_name(one, names) for one in value]
    known = isinstance(value, int) and 0 <= value < len(names)
    return names[value] if known else value


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
