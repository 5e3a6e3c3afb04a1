"""`data split`: two files of rows with nothing alike on both sides, and a record of how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.data.checks.check import Options, families
from tunewright.engine.data.fingerprint import fingerprint
from tunewright.engine.data.inspect import open_inspection
from tunewright.engine.data.keys import Groups, equal_pairs
from tunewright.engine.data.new_files import new_files
from tunewright.engine.data.sources import find_sources
from tunewright.engine.data.split import check_fraction, hold_out
from tunewright.engine.files import write_atomic
from tunewright.hardware.errors import Problem

_NEEDED = ("structure", "duplicates", "balance")
# Columns that are strata when nobody named one.
_LABELS = ("label", "category", "class", "intent", "topic", "task", "type", "language", "source")


class Division(msgspec.Struct, frozen=True):
    """What a split gave. `by`: the field whose values both sides have in equal shares, or None.
    `groups`: rows that are alike count as one group, which stays whole."""

    train: str
    eval: str
    rows: int
    train_rows: int
    eval_rows: int
    groups: int
    by: str | None
    seed: int
    fraction: float
    source: dict[str, str]


def write_split(
    path: Path,
    folder: Path,
    fraction: float,
    seed: int,
    by: str | None = None,
    format: str = "auto",
) -> Division:
    """Write train.jsonl, eval.jsonl and split.json to `folder`. A `Problem` when one of them is
    there already, when rows are wrong, or when nothing can be held out; then nothing is written.
    """
    check_fraction(fraction)
    targets = [folder / name for name in ("train.jsonl", "eval.jsonl", "split.json")]
    for target in targets:
        if target.exists():
            raise Problem(
                f"{target} is there already",
                why="a split never overwrites a file",
                cure="name another folder: --out FOLDER",
            )
    groups, labels_of, count = _look(path, format)
    by = by if by is not None else next((name for name in _LABELS if name in labels_of), None)
    labels = None if by is None else _labels(path, by, count)
    held = hold_out(groups, lambda row: str(row).encode(), labels, fraction, seed)
    out_rows = sum(held)
    if not out_rows:
        raise Problem(
            f"nothing of {path} can be held out",
            why="all its rows are alike, and rows with one prompt, or nearly the same, stay on one "
            "side",
            cure="collect rows that differ more; duplicates go with tunewright data fix",
        )
    folder.mkdir(parents=True, exist_ok=True)
    sources = find_sources(path)
    with new_files(targets[:2], [source.path for source in sources]) as (train, out):
        for row, value in enumerate(_values(path)):
            (out if held[row] else train).write(msgspec.json.encode(value) + b"\n")
    division = Division(
        train=str(targets[0]),
        eval=str(targets[1]),
        rows=count,
        train_rows=count - out_rows,
        eval_rows=out_rows,
        groups=sum(groups.head(row) == row for row in range(count)),
        by=by,
        seed=seed,
        fraction=fraction,
        source={str(s.path): fingerprint(s.path) for s in sources},
    )
    write_atomic(targets[2], msgspec.json.format(msgspec.json.encode(division), indent=1))
    return division


def _look(path: Path, format: str) -> tuple[Groups, dict[str, dict[str, int]], int]:
    """(rows that are alike, labels by field, number of rows); a `Problem` when rows are wrong."""
    skip = tuple(f.name for f in families() if f.name not in _NEEDED)
    inspection = open_inspection(path, Options(format=format, skip=skip))
    inspection.one_side = True
    report = inspection.run()
    wrong = report.rows - report.facts.usable_rows
    if wrong or not report.rows:
        errors = [f for f in report.findings if f.severity == "error" and f.places]
        why = "; ".join(f"{f.message}, first {f.places[0]}" for f in errors[:4])
        fixes = " ".join(f"--fix {f.fixes[0]}" for f in errors if f.fixes)
        raise Problem(
            f"{wrong:,} of {report.rows:,} rows of {path} are wrong",
            why=why or "there are no rows",
            cure=f"tunewright data fix {path} {fixes}".rstrip(),
        )
    groups: Groups = inspection.total.extra["groups"]
    for first, row in equal_pairs(inspection.total.extra["asked"]):
        groups.join(first, row)
    return groups, report.facts.labels, report.rows


def _values(path: Path) -> Any:
    for source in find_sources(path):
        for block in source.blocks():
            for raw in block.rows():
                yield raw.value


def _labels(path: Path, by: str, count: int) -> list[str]:
    labels = [str(value.get(by)) if isinstance(value, dict) else "" for value in _values(path)]
    if not any(isinstance(value, dict) and by in value for value in _values(path)):
        raise Problem(
            f"no row of {path} has a field {by!r}",
            why="its values were to be shared out between both sides",
            cure="name a field that the rows have: --by FIELD",
        )
    return labels[:count]
