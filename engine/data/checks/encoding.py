"""Text that was decoded wrongly once, and characters that are no text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tunewright.engine.data.checks.check import Family, Hits, Kind, Looked, Options

# UTF-8 that was read as Windows-1252 or Latin-1: a lead byte's letter, then a continuation byte's
# sign. Real words hold such pairs of letter and sign too rarely to matter.
MOJIBAKE = re.compile(
    "[\u00c2-\u00c3][\u0080-\u00bf\u2018-\u201e\u2020\u2021\u2026\u2030\u20ac]"
    # Cyrillic and Greek: two such pairs one after the other.
    "|(?:[\u00ce-\u00d1][\u0080-\u00bf\u0152-\u0178\u02c6\u02dc\u2013-\u2122]){2}"
    "|\u00e2\u20ac[\u0080-\u02dc\u2018-\u2122]|\u00e2\u0080[\u0080-\u00bf]|\u00f0\u0178[\u0080-\u2122]"
)
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_REPLACED = re.compile("\ufffd")
INVISIBLE = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff]")

KINDS = (
    Kind(
        "text.mojibake",
        "warn",
        "{count} rows hold text that was decoded wrongly once, such as Ã¼ for ü",
        "decode the source as UTF-8, or repair it: --fix repair=mojibake",
        ("repair=mojibake",),
    ),
    Kind(
        "text.control",
        "warn",
        "{count} rows hold control characters or terminal escapes",
        "remove them: --fix trim=control",
        ("trim=control",),
    ),
    Kind(
        "text.replaced",
        "warn",
        "{count} rows hold \ufffd, where characters were lost",
        "take these rows from the source anew, or remove them: --fix drop=text.replaced",
        ("drop=text.replaced",),
    ),
    Kind(
        "text.invisible",
        "info",
        "{count} rows hold characters that are not seen (zero width, direction)",
        "remove them: --fix trim=control",
        ("trim=control",),
    ),
)
_LOOKS = (
    ("text.mojibake", MOJIBAKE),
    ("text.control", CONTROL),
    ("text.replaced", _REPLACED),
    ("text.invisible", INVISIBLE),
)


def look(rows: Sequence[Looked], hits: Hits, options: Options) -> None:
    for row in rows:
        text = row.text
        if text.isascii() and text.replace("\n", "").isprintable():
            continue
        for id, pattern in _LOOKS:
            if pattern.search(text):
                hits.add(id, row.number, *row.where(pattern))


FAMILY = Family("encoding", "mojibake, control characters", KINDS, look)
