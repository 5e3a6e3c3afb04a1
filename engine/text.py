"""Text of data, models and logs on a terminal: shown as text, never obeyed."""

from __future__ import annotations

import re
import unicodedata

# Bidirectional overrides and isolates can make a line read as another one.
_BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def plain(text: str) -> str:
    """`text` on one line with every control, escape and bidirectional mark made visible.

    Newlines become "⏎", other control characters "\\xNN" / "\\uNNNN". Lone surrogates too.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if char == "\n":
        return "⏎"
    if char == "\t":
        return " "
    if char in _BIDI or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
        code = ord(char)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return char


def shorten(text: str, width: int) -> str:
    """`plain(text)`, cut to `width` characters with an ellipsis."""
    line = plain(text[: width * 4])
    return line if len(line) <= width and len(text) <= width * 4 else line[: width - 1] + "…"


def counted(n: int, noun: str) -> str:
    """ "1 row", "2,000 rows": for nouns that take an s."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def agreeing(sentence: str) -> str:
    """A sentence that begins with a count and was written for several, right for one too: "1 rows
    (0.1%) hold" becomes "1 row (0.1%) holds"."""
    found = _ONE.match(sentence)
    if found is None:
        return sentence
    before, share, verb = found[1].removesuffix("s"), found[2] or "", found[3]
    return f"{before}{share} {_IRREGULAR.get(verb, verb + 's')}{sentence[found.end() :]}"


_ONE = re.compile(
    r"(1 (?:[a-z-]+ )*?(?:row|line|answer|conversation|pair|file)s)( \([^)]*\))? (\w+)"
)
_IRREGULAR = {"are": "is", "have": "has", "do": "does", "were": "was"}


def size(n: int | None) -> str:
    """Bytes for people: GiB from one up, else MiB; "unknown" for None."""
    if n is None:
        return "unknown"
    gib = n / 2**30
    return f"{gib:.2f} GiB" if abs(gib) >= 1 else f"{n / 2**20:.0f} MiB"


def duration(seconds: float | None) -> str:
    """Seconds for people: "42 s", "3 min 05 s", "2 h 10 min"; "unknown" for None."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
