"""Reading a data file: every row is looked at and checked before any model is loaded."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from tunewright.engine.data.example import Example, Finding, Format, Place
from tunewright.engine.data.formats import FORMATS, RowFormat, Wrong, told
from tunewright.hardware.errors import Problem

# So many places are shown; all are counted.
SHOWN = 10
BOM = b"\xef\xbb\xbf"


class Reading(NamedTuple):
    """All rows of a file. `because` says by what the format was known."""

    examples: tuple[Example, ...]
    format: Format
    because: str
    findings: tuple[Finding, ...]


def read_examples(path: Path, format: str = "auto") -> Reading:
    """Read JSONL or a JSON array; a `Problem` that names file:line:field for all that is wrong."""
    rows, broken = _rows(path)
    if not rows and not broken:
        raise Problem(
            f"{path} has no rows",
            why="it is empty",
            cure="one JSON object a line, e.g. "
            '{"messages": [{"role": "user", …}, {"role": "assistant", …}]}',
        )
    chosen, because = _find_format(path, rows, format) if rows else (FORMATS[0], "")
    examples = []
    wrong: list[tuple[int, Wrong]] = list(broken)
    unknown: Counter[str] = Counter()
    first_unknown: dict[str, int] = {}
    for line, row in rows:
        missing = (
            [key for key in chosen.needs if key not in row] if isinstance(row, dict) else ["row"]
        )
        if missing:
            keys = ", ".join(list(map(str, row))[:6]) if isinstance(row, dict) else told(row)
            expected = f"{' and '.join(chosen.needs)} ({chosen.name})"
            wrong.append((line, Wrong(missing[0], f"only {keys or 'nothing'}", expected)))
            continue
        for key in row:
            if key not in chosen.knows:
                unknown[key] += 1
                first_unknown.setdefault(key, line)
        parsed = chosen.parse(row)
        if isinstance(parsed, list):
            wrong.extend((line, one) for one in parsed)
        else:
            examples.append(Example(parsed, Place(str(path), line)))
    if wrong:
        raise _refusal(path, sorted(wrong, key=lambda item: item[0]))
    findings = tuple(
        Finding(
            id="field.unused",
            severity="info",
            message=f"the field {key[:60]!r} is not used by the {chosen.name} format",
            count=count,
            places=(Place(str(path), first_unknown[key], key[:60]),),
            fix="nothing to do, unless it was meant to be trained on",
        )
        for key, count in unknown.most_common(20)
    )
    return Reading(tuple(examples), chosen.name, because, findings)


def fingerprint(path: Path) -> str:
    """ "sha256:<hex>" of the file's bytes, read in pieces."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise _unreadable(path, error) from error
    return f"sha256:{digest.hexdigest()}"


def _rows(path: Path) -> tuple[list[tuple[int, Any]], list[tuple[int, Wrong]]]:
    """(line, value) of each row, and the lines that are no JSON."""
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    blob = blob.removeprefix(BOM)
    if blob.lstrip()[:1] == b"[":
        return _array(path, blob), []
    rows: list[tuple[int, Any]] = []
    broken: list[tuple[int, Wrong]] = []
    for number, line in enumerate(blob.split(b"\n"), 1):
        line = line.strip()
        if not line:
            continue
        try:
            rows.append((number, msgspec.json.decode(line)))
        except UnicodeDecodeError as error:
            broken.append((number, Wrong("row", f"byte {error.start} is not UTF-8", "UTF-8 text")))
        except (msgspec.DecodeError, RecursionError) as error:
            broken.append((number, Wrong("row", f"{error}", "one JSON object a line")))
    return rows, broken


def _array(path: Path, blob: bytes) -> list[tuple[int, Any]]:
    try:
        found = msgspec.json.decode(blob)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(
            f"{path} is not whole JSON",
            why=str(error),
            cure="repair the file; or write one JSON object a line (JSONL), where each line is "
            "checked by itself",
        ) from error
    return list(enumerate(found, 1))


def _find_format(path: Path, rows: list[tuple[int, Any]], asked: str) -> tuple[RowFormat, str]:
    """The format that most rows have by their keys; all rows are looked at."""
    names = {f.name: f for f in FORMATS}
    if asked != "auto":
        if asked not in names:
            raise Problem(
                f"there is no data format {asked!r}",
                why=f"the formats are {', '.join(names)}",
                cure="name one with --format, or leave it at auto",
            )
        return names[asked], "asked for"
    counts = Counter(
        next(
            (f.name for f in FORMATS if isinstance(row, dict) and all(k in row for k in f.needs)),
            None,
        )
        for _, row in rows
    )
    known = [(count, name) for name, count in counts.items() if name is not None]
    if not known:
        line, row = rows[0]
        keys = ", ".join(str(key) for key in row)[:120] if isinstance(row, dict) else told(row)
        raise Problem(
            f"{path}:{line}: the rows have no format that is known",
            why=f"the first row has: {keys}; known are "
            + "; ".join(f"{f.name} ({', '.join(f.needs)})" for f in FORMATS),
            cure="rename the fields, e.g. question -> prompt and answer -> completion",
        )
    count, name = max(known)
    because = f"{count:,} of {len(rows):,} rows have {' and '.join(names[name].needs)}"
    return names[name], because


def _refusal(path: Path, wrong: list[tuple[int, Wrong]]) -> Problem:
    rows = len({line for line, _ in wrong})
    shown = [
        f"{path}:{line}:{w.field}: found {w.found}; expected {w.expected}"
        for line, w in wrong[:SHOWN]
    ]
    if len(wrong) > SHOWN:
        shown.append(f"and {len(wrong) - SHOWN} more")
    return Problem(
        f"{rows} row{'s' if rows > 1 else ''} of {path.name} cannot be trained on",
        why="\n".join(shown),
        cure="repair these rows or remove them; nothing was started",
    )


def _unreadable(path: Path, error: OSError) -> Problem:
    return Problem(
        f"cannot read {path}",
        why=str(error.strerror or error),
        cure="name a JSONL or JSON file that exists and that you may read",
    )
