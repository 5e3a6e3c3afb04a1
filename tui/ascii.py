"""A screen without Unicode: every character that is not ASCII becomes one that is."""

from __future__ import annotations

import os
import sys
import unicodedata

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_INSTEAD = str.maketrans(
    {
        "─": "-", "━": "=", "│": "|", "┃": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+", "├": "+",
        "┤": "+", "┬": "+", "┴": "+", "┼": "+", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "╴": "-",
        "═": "=", "║": "|", "╔": "+", "╗": "+", "╚": "+", "╝": "+", "▔": "-", "▁": "_", "▏": "|",
        "▕": "|", "█": "#", "▓": "#", "▒": "+", "░": ".", "▌": "|", "▐": "|", "▀": "-", "▄": "_",
        "…": "~", "·": ".", "•": "*", "–": "-", "—": "-", "→": ">", "←": "<", "↑": "^", "↓": "v",
        "✓": "+", "✗": "x", "≠": "!", "≈": "~", "≤": "<", "≥": ">", "×": "x", "±": "+", "⏎": "/",
        "▂": "_", "▃": "-", "▅": "=", "▆": "=", "▇": "#", "∅": "0", "⎵": "_",
        "“": '"', "”": '"', "‘": "'", "’": "'", "▶": ">", "◀": "<", "●": "*", "○": "o",
    }
)  # fmt: skip


# What Python may set LC_CTYPE to (PEP 538).
_COERCED = ("C.UTF-8", "C.utf8", "UTF-8")


def asked_for() -> bool:
    """Whether the terminal cannot show Unicode: by `TUNEWRIGHT_ASCII`, by its name (the console of
    Linux has a font of 512 characters), or by a locale that says so. None says nothing."""
    said = os.environ
    if said.get("TUNEWRIGHT_ASCII") or said.get("TERM") == "linux":
        return True
    ctype = said.get("LC_CTYPE")
    if sys.flags.utf8_mode and ctype in _COERCED:
        # In a C locale Python itself says this, so it is no word of the person's.
        ctype = None
    spoken = said.get("LC_ALL") or ctype or said.get("LANG") or "UTF-8"
    return "utf" not in spoken.lower()


def ascii_only(text: str) -> str:
    """`text` with one ASCII character for each cell of it."""
    if text.isascii():
        return text
    text = text.translate(_INSTEAD)
    return text if text.isascii() else "".join(_plain(char) for char in text)


def _plain(char: str) -> str:
    if char.isascii():
        return char
    base = unicodedata.normalize("NFKD", char)[0]
    width = cell_len(char)
    return base if width == 1 and base.isascii() and base.isprintable() else "?" * width


class AsciiFilter(LineFilter):
    """Applied to every line that Textual sends: borders and scroll bars too."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if segment.control else Segment(ascii_only(segment.text), segment.style)
            for segment in segments
        ]
