"""What a fix is: something that is done to rows on their way into a new file.

A fix is one file in this folder with a `FIX`. It is named as NAME or NAME=VALUE; fixes run in the
order in which they were named, each row through all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from tunewright.engine.data.checks.check import Hits, Looked
from tunewright.hardware.errors import Problem


class Change(NamedTuple):
    """What was done to a row: in which field, in words, safe to print."""

    field: str
    what: str


class Before(NamedTuple):
    """What a first look at the whole set has told, for fixes that need it: the numbers of rows to
    drop by the finding that names them, and for each repeated row the one that it repeats."""

    found: dict[str, set[int]]
    repeats: dict[str, dict[int, int]]


class Row(NamedTuple):
    """A row on its way: its number, what the checks see of it, and the value as it is by now."""

    number: int
    looked: Looked
    hits: Hits
    value: Any


class Dropped(NamedTuple):
    """The row goes, and why."""

    why: str


class Applied(Protocol):
    """A fix, made ready with its value."""

    def __call__(self, row: Row, before: Before) -> tuple[Any, list[Change]] | Dropped:
        """The new value of a row and what was done to it (nothing: an empty list)."""


class Fix(NamedTuple):
    """`make(value)` gives the fix ready to run, or a `Problem` for a value that makes no sense.
    `usage` shows how it is named. `first_look(value)`: the finding ids whose rows it needs to know
    of the whole set, such as "duplicate.exact"."""

    name: str
    usage: str
    title: str
    make: Callable[[str], Applied]
    first_look: Callable[[str], tuple[str, ...]] = lambda value: ()


def fixes() -> dict[str, Fix]:
    """Every fix in this folder, by name."""
    import pkgutil
    from importlib import import_module

    import tunewright.engine.data.fixes as folder

    found = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(folder.__path__)):
        fix = getattr(import_module(f"{folder.__name__}.{module}"), "FIX", None)
        if isinstance(fix, Fix):
            found[fix.name] = fix
    return found


def parse_fix(text: str) -> tuple[Fix, str]:
    """The fix that `text` names, and its value; a `Problem` for an unknown one."""
    name, _, value = text.partition("=")
    known = fixes()
    if name not in known:
        raise Problem(
            f"there is no fix {name!r}",
            why="the fixes are " + "; ".join(fix.usage for fix in known.values()),
            cure="--fix dedupe",
        )
    return known[name], value
