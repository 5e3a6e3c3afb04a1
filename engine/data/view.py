"""Rows as they are shown: token by token, as a histogram of lengths, as a line. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tunewright.engine.data.example import Example
from tunewright.engine.data.tokens import IGNORED, Renderer, Tokens
from tunewright.engine.text import plain

# A letter of UTF-8 has at most four bytes, and byte-level tokens may hold one each.
_MOST_PARTS = 4
_BARS = "▁▂▃▄▅▆▇█"


class Piece(NamedTuple):
    """What one token writes, safe to show; tokens that share a letter are one piece."""

    text: str
    trained: bool
    special: bool


def token_pieces(tokens: Tokens, renderer: Renderer, most: int) -> Iterator[Piece]:
    """The first `most` tokens of a row in words. Special tokens stand by their names."""
    special = set(renderer.special_tokens.values())
    waiting: list[int] = []
    rows = list(zip(tokens.input_ids[:most], tokens.labels, strict=False))
    for at, (id, label) in enumerate(rows):
        waiting.append(id)
        text = renderer.tokenizer.decode(waiting, skip_special_tokens=False)
        trained = label != IGNORED
        more = at + 1 < len(rows) and (rows[at + 1][1] != IGNORED) == trained
        if text.endswith("\ufffd") and more and len(waiting) < _MOST_PARTS:
            continue
        yield Piece(plain(text) or "∅", trained, text in special)
        waiting = []


def ends_turn(tokens: Tokens, renderer: Renderer) -> str | None:
    """The stop token that the last trained tokens end the turn with; None when there is none."""
    trained = [id for id, label in zip(*tokens, strict=True) if label != IGNORED]
    for id in reversed(trained):
        if id in renderer.stop_ids:
            return str(renderer.tokenizer.id_to_token(id))
        if renderer.tokenizer.decode([id], skip_special_tokens=False).strip():
            return None
    return None


def cut_for_view(example: Example, most: int) -> tuple[Example, str]:
    """`beginning`, and words that say so; "" when nothing is cut.

    A row of many millions of letters takes a tokenizer minutes and gigabytes, for no more to see.
    """
    cut = example.beginning(most)
    if cut is example:
        return example, ""
    letters = sum(len(message.content) for message in example.messages)
    words = f"; counted on the first {most:,} letters of a turn, the row has {letters:,}"
    return cut, words


class Histogram(NamedTuple):
    """Numbers of rows in equal steps of tokens from `low` to `high`."""

    low: int
    high: int
    counts: tuple[int, ...]


def histogram(spread: Mapping[int, int], bars: int) -> Histogram:
    """Lengths, of each so many rows, in at most `bars` steps."""
    if not spread:
        return Histogram(0, 0, ())
    low, high = min(spread), max(spread)
    count = max(1, min(bars, high - low + 1))
    counts = [0] * count
    for length, rows in spread.items():
        counts[(length - low) * count // (high - low + 1)] += rows
    return Histogram(low, high, tuple(counts))


def bars_of(counts: Sequence[int]) -> str:
    """One character a count, as high as its share of the largest; nothing where there is none."""
    top = max(counts, default=0)
    return "".join(
        " " if not count else _BARS[min(len(_BARS) - 1, count * len(_BARS) // (top + 1))]
        for count in counts
    )


def told(example: Example, most: int = 400) -> tuple[str, str]:
    """(what was asked, what was answered) in one line each, at most `most` characters of either."""
    asked = " ".join(m.content[:most] for m in example.messages[:-1] if m.role == "user")
    return plain(asked[:most]), plain(example.messages[-1].content[:most])
