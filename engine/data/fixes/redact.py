"""redact: replace personal data and secrets by their kind, as [EMAIL]."""

from __future__ import annotations

from typing import Any

from tunewright.engine.data.checks import pii, secrets
from tunewright.engine.data.checks.beside import named
from tunewright.engine.data.fixes.fix import Applied, Before, Change, Dropped, Fix, Row
from tunewright.engine.data.fixes.texts import map_texts
from tunewright.hardware.errors import Problem

# Names take a model to tell them: a fix of their own.
KINDS = (
    *(kind.id.removeprefix("pii.") for kind in pii.KINDS if kind.id != "pii.name"),
    "secret",
)


def _make(value: str) -> Applied:
    wanted = set(filter(None, value.split(","))) or {*KINDS} - {"example"}
    if "name" in wanted:
        raise Problem(
            "names are not told by their form",
            why="it takes a model to tell them, and redact has none",
            cure="--fix names=MODEL with a spaCy model, e.g. en_core_web_sm or its folder",
        )
    if not wanted <= set(KINDS):
        raise Problem(
            f"redact={value} names what is not looked for",
            why=f"it takes {', '.join(KINDS)}",
            cure="--fix redact=email,phone, or --fix redact for all but example",
        )

    def apply(row: Row, before: Before) -> tuple[Any, list[Change]] | Dropped:
        changes: list[Change] = []

        def change(field: str, text: str, name: str = "") -> str:
            new, told = redacted(text, wanted, name)
            changes.extend(Change(field, f"{kind} replaced") for kind in told)
            return new

        def change_named(field: str, name: str, text: str) -> str:
            return change(field, text, name)

        return map_texts(row.value, row.looked, change, change_named), changes

    return apply


def redacted(text: str, wanted: set[str], name: str = "") -> tuple[str, list[str]]:
    """The text with every wanted kind replaced by its name, and the names in order. `name`: what
    an object calls this text, if it does, as some things are told by that."""
    whole = named(name, text)
    first = len(whole) - len(text)
    found = [(start, end, "secret") for start, end in secrets.spans(whole)]
    found = [span for span in found if "secret" in wanted]
    taken = [(span.start, span.end, span.name) for span in pii.spans(whole) if span.name in wanted]
    # A secret may hold what looks like a number; it is replaced as a whole.
    found += [s for s in taken if not any(s[0] < e and b < s[1] for b, e, _ in found)]
    told: list[str] = []
    parts: list[str] = []
    at = first
    for start, end, kind in sorted(found):
        if end > first:
            parts += (whole[at : max(start, first)], f"[{kind.upper()}]")
            told.append(kind)
            at = end
    return ("".join((*parts, whole[at:])) if told else text), told


FIX = Fix("redact", "redact[=KIND,…]", "replace personal data and secrets", _make)
