"""Names of people in texts, told by a spaCy model where somebody names one. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from tunewright.hardware.errors import Problem

# The parts of a model that do not tell names, and cost most of the time.
_NEEDLESS = ("tagger", "morphologizer", "parser", "senter", "lemmatizer", "attribute_ruler")
_LABELS = ("PERSON", "PER")
# Characters of a text that are looked at; a model reads some 100,000 a second.
MOST_TEXT = 100_000


@lru_cache(maxsize=1)
def tagger(model: str) -> Any:
    """The model, a package or a folder; a `Problem` when it or spaCy is not there."""
    try:
        import spacy  # type: ignore[import-not-found,unused-ignore]

        return spacy.load(model, exclude=list(_NEEDLESS))
    except ImportError as error:
        raise Problem(
            "names of people cannot be looked for",
            why=f"spaCy is not installed: {error}",
            cure="pip install spacy and a model of it, or leave --names out",
        ) from error
    except (OSError, ValueError) as error:
        raise Problem(
            f"{model!r} is no spaCy model that is at hand",
            why=str(error).splitlines()[0][:200],
            cure="name an installed package, such as en_core_web_sm, or a folder",
        ) from error


def people(texts: Sequence[str], model: str) -> Iterator[list[tuple[int, int]]]:
    """(start, end) of each name in each text."""
    for told in tagger(model).pipe([text[:MOST_TEXT] for text in texts], batch_size=64):
        yield [(e.start_char, e.end_char) for e in told.ents if e.label_ in _LABELS]
