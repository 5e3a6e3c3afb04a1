"""What headless verbs print: data on stdout, notes on stderr, problems as what, why, cure."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from tunewright.engine.text import plain
from tunewright.hardware.errors import Problem


def data(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()


def line(text: str = "") -> None:
    """Lines of the answer on stdout; what a terminal would obey is made visible."""
    print(_lines(text), flush=True)


def note(text: str) -> None:
    """Lines about the work on stderr; what a terminal would obey is made visible."""
    print(_lines(text), file=sys.stderr, flush=True)


def problem(error: Problem, *, as_json: bool) -> int:
    """Print a problem; its exit code."""
    if as_json:
        told = {"what": error.what, "why": error.why, "cure": error.cure, "exit": int(error.exit)}
        data({"error": told})
    for label, text in (("tunewright: ", error.what), ("  why:  ", error.why),
                        ("  cure: ", error.cure)):  # fmt: skip
        note(label + "\n        ".join(text.splitlines()))
    return int(error.exit)


def _lines(text: str) -> str:
    return text if text.isprintable() else "\n".join(plain(part) for part in text.split("\n"))


def table(headers: list[str], rows: list[list[str]]) -> None:
    """Columns in plain text on stdout, as wide as their widest cell; nothing is cut."""
    for text in columns(headers, rows):
        line(text)


def columns(headers: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a `table`."""
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [headers, *cells]) for i in range(len(headers))]
    return [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in [headers, *cells]
    ]
