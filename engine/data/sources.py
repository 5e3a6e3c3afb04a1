"""From what a person names (a file, a folder, a glob) to files and the reader of each.

A file is known by its content first; its name only decides between kinds of text.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from tunewright.engine.data.readers.block import Block, Side
from tunewright.engine.data.readers.opened import (
    COMPRESSED_ENDINGS,
    CutOff,
    check_regular,
    open_bytes,
    unreadable,
)
from tunewright.hardware.errors import Problem

Container = Literal["jsonl", "json", "delimited", "parquet", "arrow", "lines", "document"]

# Container -> the function that reads it.
READERS: dict[Container, str] = {
    "jsonl": "jsonl:read_blocks",
    "json": "json_array:read_blocks",
    "delimited": "delimited:read_blocks",
    "parquet": "columnar:read_parquet",
    "arrow": "columnar:read_arrow",
    "lines": "documents:read_lines",
    "document": "documents:read_document",
}
_ENDINGS: dict[str, Container] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "delimited",
    ".tsv": "delimited",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".txt": "lines",
    ".text": "lines",
    ".md": "document",
    ".markdown": "document",
    ".rst": "document",
}
_DOCUMENTS = (".txt", ".text", ".md", ".markdown", ".rst")
# What lies beside the data in a folder and is no data.
_ABOUT = {"dataset_info.json", "state.json", "dataset_dict.json", "dataset_infos.json"}
_ABOUT |= {"readme.md", "license.md", "license.txt", "requirements.txt", "manifest.json"}
_EVAL = re.compile(
    r"(?:^|[^a-z])(?:test|validation|valid|val|dev|eval|evaluation|heldout)(?![a-z])"
)
# Signatures of what people pass by mistake: one clear sentence instead of a page of broken rows.
_NO_DATA = {
    b"PK\x03\x04": "a zip archive (or a workbook of Excel: save it as CSV)",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
    b"\x93NUMPY": "an array of numpy",
    b"\x89HDF": "an HDF5 file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!\x1a": "a rar archive",
    b"\x7fELF": "a program",
    b"%PDF": "a PDF",
    b"SQLite format 3": "an SQLite database",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
}
# What a text may begin with, so that it says something only where no text is named.
_NO_ROWS = {
    b"<?xml": "XML",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"GGUF": "a model",
    b"{\\rtf": "an RTF document",
}
_HEAD = 256 << 10


class Source(NamedTuple):
    """One file, how it is read, and the side its name puts it on (a test file is for eval)."""

    path: Path
    container: Container
    side: Side = "train"
    # Its name says another kind than its content.
    lies: bool = False

    @property
    def holds_rows(self) -> bool:
        """Whether its records are rows, one a record."""
        from tunewright.engine.data.nests.nest import nest_of

        first = next(self._read(), None)
        return first is None or nest_of(first.rows()) is None

    def blocks(self) -> Iterator[Block]:
        """The rows, a few megabytes at a time."""
        from tunewright.engine.data.nests.nest import unfolded

        try:
            yield from unfolded(self._read())
        except OSError as error:
            raise unreadable(self.path, error) from error

    def _read(self) -> Iterator[Block]:
        module, _, name = READERS[self.container].partition(":")
        read: Callable[[Path], Iterator[Block]] = getattr(
            import_module(f"tunewright.engine.data.readers.{module}"), name
        )
        return read(self.path)


def find_sources(spec: Path) -> tuple[Source, ...]:
    """The files of a file, folder or glob, in the order of their names, those of a held-out split
    last: what is held out repeats the training rows, never the other way round. A `Problem` when
    there are none."""
    return tuple(sorted(_find(spec), key=lambda source: source.side == "eval"))


def _find(spec: Path) -> tuple[Source, ...]:
    check_regular(spec)
    if spec.is_file():
        return (source_of(spec),)
    if spec.is_dir():
        return _folder(spec)
    if any(char in str(spec) for char in "*?["):
        # The part before the first wildcard is the folder to search in.
        parts = spec.parts
        fixed = next(i for i, part in enumerate(parts) if any(c in part for c in "*?["))
        base = Path(*parts[:fixed]) if fixed else Path()
        found = sorted(
            path
            for path in base.glob(str(Path(*parts[fixed:])))
            if path.is_file() and not path.name.startswith(".")
        )
        if not found:
            raise Problem(
                f"no file is like {spec}",
                why="the glob matches nothing",
                cure="put it in quotes, and check the folder it starts from",
            )
        return tuple(source_of(path) for path in found)
    try:
        spec.stat()
    except OSError as error:
        raise unreadable(spec, error) from error
    raise unreadable(spec, OSError("it is neither a file nor a folder"))


def left_out(spec: Path, sources: Sequence[Source]) -> list[Path]:
    """Files of a folder that are no part of its data, and do not only tell about it."""
    if not spec.is_dir():
        return []
    read = {source.path for source in sources}
    return [path for path in _files(spec) if path not in read]


def _files(folder: Path) -> list[Path]:
    """The files below a folder, in order; a `Problem` for a folder in it that may not be read,
    whose rows would be missing."""

    def refuse(error: OSError) -> None:
        raise unreadable(Path(error.filename or folder), error) from error

    found: list[Path] = []
    for at, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        here = Path(at)
        found += [here / n for n in names if n.lower() not in _ABOUT and n[:1] not in "._"]
    return sorted(path for path in found if path.is_file())


def _folder(folder: Path) -> tuple[Source, ...]:
    """Tables and rows below a folder, as far as there are any; else its documents."""
    files = _files(folder)
    named = [(path, ending(path)) for path in files]
    tables = [path for path, end in named if end in _ENDINGS and end not in _DOCUMENTS]
    # `datasets` leaves cache-….arrow files of its maps beside the data.
    tables = [path for path in tables if not path.name.startswith("cache-")]
    if tables:
        return tuple(source_of(path, path.relative_to(folder)) for path in tables)
    documents = [path for path, end in named if end in _DOCUMENTS]
    if documents:
        return tuple(Source(path, "document") for path in documents)
    raise Problem(
        f"{folder} holds no data",
        why=f"none of its {len(files)} files ends in {', '.join(_ENDINGS)}",
        cure="name a folder with such files (they may be .gz or .zst), or a file",
    )


def source_of(path: Path, named: Path | None = None) -> Source:
    """How a file is read; `named`: the part of its path that may name a split.

    A `Problem` for what is no data at all."""
    container, head = _sniff(path)
    said = _ENDINGS.get(ending(path))
    # jsonl and json are one family, and a dataset of text lines may be called anything.
    families = {"jsonl": "json", "lines": "text", "document": "text"}
    lies = (
        said is not None
        and bool(head)
        and families.get(said, said) != families.get(container, container)
    )
    name = str(named or path.name).lower()
    return Source(path, container, "eval" if _EVAL.search(name) else "train", lies)


def ending(path: Path) -> str:
    """The ending that says what is in a file, below that of its compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED_ENDINGS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _sniff(path: Path) -> tuple[Container, bytes]:
    with open_bytes(path) as file:
        try:
            head = file.read(_HEAD)
        except (EOFError, OSError, CutOff):
            head = b""
    named = _ENDINGS.get(ending(path))
    textual = named in ("lines", "document", "delimited")
    for mark, kind in (_NO_DATA if textual else _NO_DATA | _NO_ROWS).items():
        if head.startswith(mark) or head.removeprefix(b"\xef\xbb\xbf").startswith(mark):
            why = f"its first bytes are {mark.hex(' ')}"
            raise _no_data(path, kind, why)
    if head[257:262] == b"ustar":
        raise _no_data(path, "a tar archive", "its bytes 258 to 262 say so")
    if path.name.lower().endswith((".yaml", ".yml")) and head.lstrip()[:1] not in (b"{", b"["):
        raise _no_data(path, "YAML", "its name says so, and it is no JSON")
    if head.startswith(b"PAR1"):
        return "parquet", head
    # No text begins with four such bytes: the stream form, whatever it is called.
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow", head
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if named in ("lines", "document"):
        return named, head
    if text.startswith(b"["):
        return ("json" if named != "jsonl" or not _is_array_row(text) else "jsonl"), head
    if text.startswith(b"{"):
        return ("json" if _is_document(text, named) else "jsonl"), head
    return ("delimited" if named == "delimited" else "jsonl"), head


def _no_data(path: Path, kind: str, why: str) -> Problem:
    return Problem(
        f"{path} is {kind}, not data that can be read",
        why=why,
        cure="unpack or convert it: JSONL, JSON, CSV, Parquet or UTF-8 text",
    )


def _is_array_row(text: bytes) -> bool:
    """A .jsonl of rows that are arrays: the first line is a whole one, and a row follows."""
    line, _, more = text.partition(b"\n")
    return _is_json(line) and more.lstrip()[:1] in (b"[", b"{")


def _is_document(text: bytes, named: Container | None) -> bool:
    """One object over several lines, or around all rows, rather than an object a line."""
    line, _, more = text.partition(b"\n")
    if line.strip() == b"{" or (not _is_json(line) and more[:1] in b" \t" and more[:1]):
        return True
    if _SEVERAL.search(line) and not _is_json(line) and _begins_with_json(line):
        # Objects one after the other on one line.
        return True
    return named == "json" and not more.lstrip().startswith(b"{")


_SEVERAL = re.compile(rb"\}[ \t]*\{")


def _begins_with_json(line: bytes) -> bool:
    """A whole object, and right after it another one."""
    text = line.decode(errors="replace")
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return text[end:].lstrip().startswith("{")


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
