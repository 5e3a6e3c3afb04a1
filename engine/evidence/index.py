"""Finding passages by words: BM25 (Robertson, Lucene's variant) through bm25s, kept on disk."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tunewright.engine.evidence.passages import Passage
from tunewright.engine.files import write_atomic
from tunewright.hardware.errors import Problem

PASSAGES = "passages.jsonl"
_WORD = re.compile(r"\w+")


class Finder(Protocol):
    """Whatever ranks passages for a question."""

    def find(self, question: str, count: int, without: Collection[int] = ()) -> list[int]:
        """Places of the best passages, best first; those in `without` are passed over."""
        ...


class Index:
    """A BM25 index over passages."""

    def __init__(self, passages: Sequence[Passage], engine: Any) -> None:
        self.passages = tuple(passages)
        self._engine = engine

    @classmethod
    def build(cls, passages: Sequence[Passage], texts: Sequence[str] | None = None) -> Index:
        """Index `passages`, by other `texts` of theirs where these are given."""
        import bm25s

        engine = bm25s.BM25(method="lucene")
        words = [_words(text) for text in texts or [p.text for p in passages]]
        # The library cannot index texts without any word.
        engine.index([found or ["\x00"] for found in words], show_progress=False)
        return cls(passages, engine)

    @classmethod
    def open(cls, folder: Path) -> Index:
        """The index that `save` wrote; a `Problem` when it is not whole."""
        import bm25s

        try:
            lines = (folder / PASSAGES).read_bytes().splitlines()
            passages = [msgspec.json.decode(line, type=Passage) for line in lines]
            engine = bm25s.BM25.load(str(folder), load_corpus=False, allow_pickle=False)
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise Problem(
                f"there is no whole index in {folder}",
                why=str(error),
                cure="measure again: tunewright decide --data DATA --model MODEL",
            ) from error
        return cls(passages, engine)

    def save(self, folder: Path) -> None:
        """Write the index and its passages; the folder is made."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._engine.save(str(folder), corpus=None, show_progress=False)
        lines = [msgspec.json.encode(passage) for passage in self.passages]
        write_atomic(folder / PASSAGES, b"\n".join(lines) + b"\n")

    def find(self, question: str, count: int, without: Collection[int] = ()) -> list[int]:
        """See `Finder`. Passages that share no word with the question are never found."""
        words = [word for word in _words(question) if word in self._engine.vocab_dict]
        if not words:
            return []
        scores = self._engine.get_scores(words)
        # Equal scores in the order of the passages: the same on every machine.
        order = sorted(range(len(self.passages)), key=lambda i: (-float(scores[i]), i))
        best = (i for i in order if scores[i] > 0 and i not in without)
        return [i for i, _ in zip(best, range(count), strict=False)]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
