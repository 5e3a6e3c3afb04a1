"""Reading a data file: every row is looked at and checked before any model is loaded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from tunewright.engine.data.example import Example, Format, Place
from tunewright.engine.data.formats import FORMATS, RowFormat, Wrong, told
from tunewright.engine.data.jsonrows import read_rows
from tunewright.hardware.errors import Problem

# So many places are shown; all are counted.
SHOWN = 10


class Reading(NamedTuple):
    """All rows of a file. `because` says by what the format was known; `unused_fields` are those
    that the format does not read, with the number of rows that have them."""

    examples: tuple[Example, ...]
    format: Format
    because: str
    unused_fields: dict[str, int]


def read_examples(path: Path, format: str = "auto") -> Reading:
    """Read JSONL or a JSON array; a `Problem` that names file:line:field for all that is wrong."""
    rows, broken = read_rows(path)
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
    unused: Counter[str] = Counter()
    for line, row in rows:
        missing = (
            [key for key in chosen.needs if key not in row] if isinstance(row, dict) else ["row"]
        )
        if missing:
            keys = ", ".join(list(map(str, row))[:6]) if isinstance(row, dict) else told(row)
            expected = f"{' and '.join(chosen.needs)} ({chosen.name})"
            wrong.append((line, Wrong(missing[0], f"only {keys or 'nothing'}", expected)))
            continue
        unused.update(key[:60] for key in chosen.unread(row))
        parsed = chosen.parse(row)
        if isinstance(parsed, list):
            wrong.extend((line, one) for one in parsed)
        else:
            examples.append(Example(parsed, Place(str(path), line)))
    if wrong:
        raise _refusal(path, sorted(wrong, key=lambda item: item[0]))
    return Reading(tuple(examples), chosen.name, because, dict(unused.most_common(20)))


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
