"""`data fix`: fixed rows in a new file, with a manifest of what was done to which line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from tunewright.engine.data.fingerprint import fingerprint
from tunewright.engine.data.fixed import fixed_rows
from tunewright.engine.data.new_files import new_files
from tunewright.engine.data.sources import find_sources
from tunewright.hardware.errors import Problem

MANIFEST_VERSION = "1"


class Outcome(msgspec.Struct, frozen=True):
    """What a fix did. `changed` and `dropped` count rows; `by_fix` counts rows by fix."""

    output: str
    manifest: str
    rows_in: int
    rows_out: int
    changed: int
    dropped: int
    by_fix: dict[str, int]
    fingerprint: str


def write_fixed(path: Path, fixes: Sequence[str], output: Path, format: str = "auto") -> Outcome:
    """Write the fixed rows as JSONL to `output`, and beside it `output`.manifest.json. A `Problem`
    when the output is there already, or is one of the files that are read; then nothing is written.
    """
    if not fixes:
        raise Problem(
            "no fix was chosen",
            why="nothing would be changed",
            cure="--fix dedupe; tunewright data check names those that help",
        )
    sources = find_sources(path)
    manifest = output.with_name(output.name + ".manifest.json")
    for target in (output, manifest):
        if target.exists():
            raise Problem(
                f"{target} is there already",
                why="a fix never overwrites a file, and the source least of all",
                cure="name another file: --out FILE",
            )
    if not output.parent.is_dir():
        raise Problem(
            f"there is no folder {output.parent}", why="it does not exist", cure="make it first"
        )
    rows_in = rows_out = changed = 0
    by_fix: dict[str, int] = {}
    files = [source.path for source in sources]
    with new_files((output, manifest), files) as (rows, told):
        _head(told, path, [str(s.path) for s in sources], fixes, format)
        first = True
        for done in fixed_rows(path, fixes, format):
            rows_in += 1
            if done.value is not None:
                rows.write(msgspec.json.encode(done.value) + b"\n")
                rows_out += 1
                changed += bool(done.changes)
            for fix in dict.fromkeys(fix for fix, _, _ in done.changes):
                by_fix[fix] = by_fix.get(fix, 0) + 1
            for fix, field, what in done.changes:
                change = {
                    "file": done.place.file,
                    "line": done.place.line,
                    **({} if done.place.row is None else {"row": done.place.row}),
                    "to": rows_out if done.value is not None else None,
                    "fix": fix,
                    "field": field,
                    "what": what,
                }
                told.write((b"\n  " if first else b",\n  ") + msgspec.json.encode(change))
                first = False
        rows.flush()
        mark = fingerprint(Path(rows.name))
        outcome = Outcome(
            str(output),
            str(manifest),
            rows_in,
            rows_out,
            changed,
            rows_in - rows_out,
            by_fix,
            mark,
        )
        told.write(b'\n ],\n "result": ' + msgspec.json.encode(outcome) + b"\n}\n")
    return outcome


def _head(
    file: BinaryIO, path: Path, sources: Sequence[str], fixes: Sequence[str], format: str
) -> None:
    head = {
        "manifest": MANIFEST_VERSION,
        "source": str(path),
        "files": [{"file": file, "fingerprint": fingerprint(Path(file))} for file in sources],
        "format": format,
        "fixes": list(fixes),
    }
    file.write(msgspec.json.format(msgspec.json.encode(head), indent=1)[:-2])
    file.write(b',\n "changes": [')


def write_again(manifest: Path, output: Path) -> Outcome:
    """Do what a manifest says once more; a `Problem` when a source has changed since, or when what
    comes out is not what came out then."""
    try:
        told = msgspec.json.decode(manifest.read_bytes())
        files = told["files"]
        path, fixes, format = Path(told["source"]), told["fixes"], told["format"]
        mark = told["result"]["fingerprint"]
    except (OSError, msgspec.DecodeError, KeyError, TypeError) as error:
        raise Problem(
            f"{manifest} is no manifest of a fix",
            why=f"{type(error).__name__}: {error}",
            cure="name the .manifest.json that tunewright data fix wrote",
        ) from error
    for one in files:
        if fingerprint(Path(one["file"])) != one["fingerprint"]:
            raise Problem(
                f"{one['file']} has changed since it was fixed",
                why="its fingerprint is another one",
                cure="fix it anew: tunewright data fix",
            )
    outcome = write_fixed(path, fixes, output, format)
    if outcome.fingerprint != mark:
        raise Problem(
            f"{output} is not what the manifest's fixes gave",
            why=f"its fingerprint is {outcome.fingerprint}, the manifest says {mark}",
            cure="use the version of Tunewright that wrote the manifest",
        )
    return outcome
