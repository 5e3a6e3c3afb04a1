"""Text of data, models and logs on a terminal: shown as text, never obeyed."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path, PurePath

# Controls, lone surrogates, line separators, and characters that take no room of their own:
# bidirectional marks make a line read as another one, zero-width ones hide in it.
_SHOWN_AS_CODE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def plain(text: str) -> str:
    """`text` on one line with every control, escape, bidirectional and zero-width mark visible.

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
    if unicodedata.category(char) in _SHOWN_AS_CODE:
        code = ord(char)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return char


def place(path: str | PurePath) -> str:
    """A path as it is read: what is under the person's home begins with ~. For eyes only; what is
    copied or run is the path itself."""
    text, home = str(path), str(Path.home())
    return plain(f"~{text.removeprefix(home)}" if text.startswith(f"{home}/") else text)


def shorten(text: str, width: int) -> str:
    """`plain(text)`, cut to `width` cells of a terminal with an ellipsis."""
    # Marks that sit on another letter take no cell: without a limit they could be any number.
    line, cut = plain(text[: width * 4]), len(text) > width * 4
    if line.isascii():
        return line if len(line) <= width and not cut else line[: width - 1] + "…"
    taken, fits = 0, 0
    for at, char in enumerate(line):
        taken += _cells(char)
        if taken > width:
            return line[:fits] + "…"
        fits = at + 1 if taken < width else fits
    return line[:fits] + "…" if cut else line


def _cells(char: str) -> int:
    """Cells of a terminal that a visible character takes: two for wide ones, none for accents."""
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


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
    """Bytes for people: TiB or GiB from one up, else MiB; "unknown" for None."""
    if n is None:
        return "unknown"
    gib = n / 2**30
    if abs(gib) >= 1024:
        return f"{gib / 1024:.2f} TiB"
    return f"{gib:.2f} GiB" if abs(gib) >= 1 else f"{n / 2**20:.0f} MiB"


def duration(seconds: float | None) -> str:
    """Seconds for people: "42 s", "3 min 05 s", "2 h 10 min", "1,151 days"; "unknown" for None."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 100 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{round(whole / 86400):,} days"
