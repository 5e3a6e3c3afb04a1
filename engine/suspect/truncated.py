"""Answers that stop in the middle: JSON that never closes, and text cut at a limit of length."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from tunewright.engine.data.alike import asked_of
from tunewright.engine.data.example import Example

# Shorter answers (labels, names, headlines) rightly end without a mark.
_FEWEST_WORDS = 8
# So many answers of exactly the greatest length do not come about by chance.
_AT_THE_LIMIT = 0.1
_LONG = 40
# A word that is so often followed by another one, and so seldom the last, is no end.
_OFTEN = 5
_SELDOM_LAST = 0.1
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
    is cut where its length is exactly the greatest that many answers share, where its last word is
    the beginning of another one that is known, or where that word wants another one after it: it
    is an article or the like, or nearly always has one in these rows.
    """
    answers = [example.messages[-1].content for example in examples]
    limit = _limit([answer for answer in answers if not _opens(answer)])
    words = _Words(examples)
    return [
        row
        for row, answer in enumerate(answers)
        if (_never_closes(answer) if _opens(answer) else _stops(answer, limit, words))
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


def _stops(answer: str, limit: int | None, words: _Words) -> bool:
    if len(answer.split()) < _FEWEST_WORDS or _ENDED.search(answer):
        return False
    if limit is not None and len(answer) == limit:
        return True
    if answer.rstrip().endswith(","):
        return True
    found = _WORD.findall(answer.casefold())
    return bool(found) and words.wants_more(found[-1])


def _limit(answers: Sequence[str]) -> int | None:
    """The length in characters at which a tenth of all answers or more end, if it is the greatest
    and they end in different ways: answers of one pattern are of one length too."""
    lengths = Counter(map(len, answers))
    longest = max(lengths, default=0)
    if longest < _LONG or lengths[longest] < max(3, _AT_THE_LIMIT * len(answers)):
        return None
    endings = {answer.split()[-1] for answer in answers if len(answer) == longest}
    return longest if len(endings) >= min(10, lengths[longest] // 2) else None


class _Words:
    """What the words of all rows say of a last word."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._inside: Counter[str] = Counter()
        self._last: Counter[str] = Counter()
        for example in examples:
            self._inside.update(_WORD.findall(asked_of(example).casefold()))
            *inside, last = _WORD.findall(example.messages[-1].content.casefold()) or [""]
            self._inside.update(inside)
            self._last[last] += 1
        self._sorted = sorted(self._inside)

    def wants_more(self, word: str) -> bool:
        if word in _OPEN:
            return True
        inside = self._inside[word]
        if not inside:
            return self._begins_another(word)
        return inside >= _OFTEN and self._last[word] < _SELDOM_LAST * inside

    def _begins_another(self, word: str) -> bool:
        at = bisect_left(self._sorted, word)
        return at < len(self._sorted) and self._sorted[at].startswith(word)
