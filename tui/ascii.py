"""A screen without Unicode: every character that is not ASCII becomes one that is."""

from __future__ import annotations

import locale
import os
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


def asked_for() -> bool:
    """Whether the terminal cannot show Unicode: by `TUNEWRIGHT_ASCII`, or by its locale."""
    if os.environ.get("TUNEWRIGHT_ASCII"):
        return True
    return "utf" not in locale.getpreferredencoding(False).lower()


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
