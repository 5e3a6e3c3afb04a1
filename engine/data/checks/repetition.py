"""Texts that go round in circles: a model learns the loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tunewright.engine.data.checks.check import Family, Hits, Kind, Looked, Options

# Texts of fewer words repeat by chance.
_WORDS = 40
# So many of all runs of four words say one before them again in a text that loops; lists and
# analyses that begin each item alike stay below it.
_SHARE = 0.4
_LETTERS = 60

KINDS = (
    Kind(
        "text.repetition",
        "warn",
        "{count} rows say the same words over and over",
        "remove them: --fix drop=text.repetition",
        ("drop=text.repetition",),
    ),
)


def look(rows: Sequence[Looked], hits: Hits, options: Options) -> None:
    for row in rows:
        words = row.words
        longest = max(words, key=len, default="")
        few = len(longest) > _LETTERS and len(set(longest)) <= len(longest) // 20
        # Ruled lines of tables and the like are no text that loops.
        if few and longest[0].isalnum():
            hits.add("text.repetition", row.number, _field(row, longest[:20]), longest)
            continue
        if len(words) < _WORDS:
            continue
        # Few different words is quick to see, and no text without it loops.
        if len(set(words)) > len(words) * 0.5:
            continue
        # An answer may well repeat the question: each text by itself.
        for field, text in row.texts:
            run = _loop(text.lower().split())
            if run is not None:
                hits.add("text.repetition", row.number, field, run)
                break


def _loop(words: list[str]) -> str | None:
    """The run of four words that a looping text says most often; None for another text."""
    if len(words) < _WORDS or len(set(words)) > len(words) * 0.5:
        return None
    runs = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
    count = len(words) - 3
    if count - len(runs) <= _SHARE * count:
        return None
    return " ".join(runs.most_common(1)[0][0])


def _field(row: Looked, word: str) -> str:
    """The field that holds the word most often."""
    best = max(row.texts, key=lambda pair: pair[1].lower().count(word), default=("row", ""))
    return best[0]


FAMILY = Family("repetition", "repetition", KINDS, look)
