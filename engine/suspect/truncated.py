"""Answers that stop in the middle: JSON that never closes, and text cut at a limit of length."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tunewright.engine.data.example import Example
from tunewright.engine.suspect.similar import asked_of

# Shorter answers (labels, names, headlines) rightly end without a mark.
_FEWEST_WORDS = 8
# So many answers of exactly the greatest length do not come about by chance.
_AT_THE_LIMIT = 0.1
_LONG = 40
_ENDED = re.compile(r"""[.!?…。！？؟।:;)\]}>"'`”’»|*_~\-–—]\s*$""")
_WORD = re.compile(r"[^\W\d_]+")
# Words that want another one after them.
_OPEN = frozenset(
    "a an the of to in on at for with and or but that which who is are was were by from as if "
    "der die das und oder mit von zu le la les et ou de du el los y o".split()
)


def truncated_rows(examples: Sequence[Example]) -> list[int]:
    """Rows whose answer stops in the middle.

    JSON that opens and does not close is cut. Text of eight words or more that ends without a mark
    is cut where its last word occurs nowhere else, or wants another word after it, or where its
    length is exactly the greatest that many answers share.
    """
    answers = [example.messages[-1].content for example in examples]
    texts = [answer for answer in answers if not _opens(answer)]
    limit = _limit(texts)
    known = _known_words(examples)
    return [
        row
        for row, answer in enumerate(answers)
        if (_never_closes(answer) if _opens(answer) else _stops(answer, limit, known))
    ]


def _opens(answer: str) -> bool:
    return answer.lstrip()[:1] in ("{", "[")


def _never_closes(answer: str) -> bool:
    depth, quoted, escaped = 0, False, False
    for char in answer:
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = char == "\\", char != '"'
        elif char == '"':
            quoted = True
        elif char in "{[":
            depth += 1
        elif char in "}]":
            depth -= 1
    return depth > 0 or quoted


def _stops(answer: str, limit: int | None, known: Counter[str]) -> bool:
    if len(answer.split()) < _FEWEST_WORDS or _ENDED.search(answer):
        return False
    if limit is not None and len(answer) == limit:
        return True
    if answer.rstrip().endswith(","):
        return True
    words = _WORD.findall(answer.casefold())
    return bool(words) and (words[-1] in _OPEN or not known[words[-1]])


def _limit(answers: Sequence[str]) -> int | None:
    """The length in characters at which a tenth of all answers or more end, if it is the
    greatest."""
    lengths = Counter(map(len, answers))
    longest = max(lengths, default=0)
    if longest < _LONG or lengths[longest] < max(3, _AT_THE_LIMIT * len(answers)):
        return None
    return longest


def _known_words(examples: Sequence[Example]) -> Counter[str]:
    """How often each word stands in a question, or in an answer before its last word."""
    known: Counter[str] = Counter()
    for example in examples:
        known.update(_WORD.findall(asked_of(example).casefold()))
        known.update(_WORD.findall(example.messages[-1].content.casefold())[:-1])
    return known
