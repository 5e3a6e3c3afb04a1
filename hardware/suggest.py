"""How a description of a machine that is not here goes on: what a field offers while one types."""

from __future__ import annotations

import re

from tunewright.hardware.catalogue import find_part, nearest, parts_begun
from tunewright.hardware.errors import Problem

# What stands before the item that is typed, its count, and what of it is there ("8x H100 mig 1g").
_BEGUN = re.compile(
    r"(?P<before>(?:.*[,+])?\s*)(?P<count>(?:\d+\s*[x×*]\s*)?)(?P<part>.*?)"
    r"(?:\s+mig\b\s*(?P<profile>\S*))?",
    re.I | re.S,
)


def suggestions(spec: str, most: int = 8) -> list[str]:
    """Whole descriptions that `spec` could become, the likeliest first; where nothing goes on from
    it, those with the parts that are spelled nearly so. Pure."""
    begun = _BEGUN.fullmatch(spec)
    assert begun is not None  # every part of the expression may be empty
    lead = begun["before"] + begun["count"]
    if begun["profile"] is not None:
        try:
            part = find_part(begun["part"])
        except Problem:
            return []
        typed = begun["profile"].casefold()
        names = [f"{part.name} mig {profile.name}" for profile in part.mig
                 if profile.name.startswith(typed)]  # fmt: skip
    else:
        names = [part.name for part in parts_begun(begun["part"])] or nearest(begun["part"])
    return [lead + name for name in names[:most]]
