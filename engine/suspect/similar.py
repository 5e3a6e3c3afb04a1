"""Rows that say the same as another one: equal, or equal but for case, marks, numbering, a word.

What "the same" means is `engine.data.alike`'s, for the checks of data too. What is *nearly* the
same is judged apart from them: these rows count as none, so their answers have to be the same, and
then less of the question suffices. The sketches of `engine.data.keys` find whole rows that share
four fifths of their runs of words; of twelve words with one changed, hardly half of them are left.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from zlib import crc32

from tunewright.engine.data.alike import asked_of, plain_words, said, words_of
from tunewright.engine.data.example import Example
from tunewright.engine.data.keys import NEAR, key_of

_SAME_WITH_ANSWER = 0.6
# Below this many words one other word is another question.
_FEWEST_WORDS = 6
# A row is looked for under its smallest hashes: two rows that share 80 % of their word pairs share
# one of four of them almost surely (Broder 1997, bottom-k sketches).
_SKETCH = 4
_MOST_COMPARED = 30
_FEWEST_OF_A_MOULD = 20
_OF_A_MOULD = 0.1
_ALL_BUT_CHANCE = 0.95
_NUMBER = re.compile(r"\d+")
_LETTER = re.compile(r"[^\W\d_]")


def near_identical(examples: Sequence[Example]) -> list[int]:
    """Rows that are the same as an earlier one, or nearly: exact copies, copies that differ in
    case, marks or a running number, and copies with a word or two changed.

    A number counts as running only where all rows that differ in it alone have one answer, or, in
    many rows of one mould, an answer that repeats it and is else the same: where the number decides
    the answer, they are different rows.
    """
    asked = [words_of(asked_of(e)) for e in examples]
    answers = [" ".join(words_of(e.messages[-1].content)) for e in examples]
    found = set(_repeated([_key(example) for example in examples]))
    found |= _numbered(asked, answers) | _echoed(examples)
    left = [row for row in range(len(examples)) if row not in found]
    found |= _alike(left, asked, answers)
    return sorted(found)


def shared_with(train: Sequence[Example], held: Sequence[Example]) -> list[int]:
    """Held-out rows whose question, and answer, stand in the training rows, but for case and
    marks."""
    # Heavy for who only reads of troubles.
    from tunewright.engine.data.checks.check import MOST_TEXT

    def key(example: Example) -> int:
        return key_of("\x1f".join(_key(example.beginning(MOST_TEXT))))

    asked: dict[int, list[int]] = {}
    for row, example in enumerate(held):
        asked.setdefault(key(example), []).append(row)
    found: set[int] = set()
    for example in train if asked else ():
        found.update(asked.get(key(example), ()))
    return sorted(found)


def answer_key(example: Example) -> str:
    """What two last answers that are the same share: words and numbers, without case and marks."""
    return plain_words(example.messages[-1].content)


def _key(example: Example) -> tuple[str, str]:
    return said(asked_of(example), example.messages[-1].content)


def _repeated(keys: Sequence[tuple[str, str]]) -> list[int]:
    seen: set[tuple[str, str]] = set()
    found = []
    for row, key in enumerate(keys):
        if key in seen:
            found.append(row)
        seen.add(key)
    return found


def _numbered(asked: Sequence[list[str]], answers: Sequence[str]) -> set[int]:
    groups: dict[str, list[int]] = {}
    for row, words in enumerate(asked):
        groups.setdefault(" ".join(w for w in words if not _NUMBER.search(w)), []).append(row)
    return {
        row
        for words, rows in groups.items()
        if words and len({answers[row] for row in rows}) == 1
        for row in rows[1:]
    }


def _echoed(examples: Sequence[Example]) -> set[int]:
    """Rows of one mould: equal but for numbers that the answer takes from its question. A few such
    rows show how a number is taken over; a tenth of all rows and more are copies of each other."""
    moulds: dict[str, dict[str, list[int]]] = {}
    for row, example in enumerate(examples):
        places: dict[str, str] = {}
        for number in _NUMBER.findall(asked_of(example)):
            places.setdefault(number, f"<{len(places)}>")
        mould = _with_places(" ".join(words_of(asked_of(example))), places)
        if places and _LETTER.search(mould):
            answer = _with_places(answer_key(example), places)
            moulds.setdefault(mould, {}).setdefault(answer, []).append(row)
    most = max(_FEWEST_OF_A_MOULD, _OF_A_MOULD * len(examples))
    found: set[int] = set()
    for answers in moulds.values():
        same = max(answers.values(), key=len)
        # A number that happens to stand in the answer too makes a few rows look different.
        if len(same) >= most and len(same) >= _ALL_BUT_CHANCE * sum(map(len, answers.values())):
            found.update(same[1:])
    return found


def _with_places(text: str, places: dict[str, str]) -> str:
    """The text with each number that has a place replaced by it; others stand as they are."""
    return _NUMBER.sub(lambda found: places.get(found[0], found[0]), text)


def _alike(rows: Sequence[int], asked: Sequence[list[str]], answers: Sequence[str]) -> set[int]:
    """Of `rows` those that share most of their word pairs, and their answer, with an earlier one.
    What all rows begin or end with (an instruction) is not compared."""
    head, tail = _common_ends([asked[row] for row in rows])
    found: set[int] = set()
    buckets: dict[int, list[int]] = {}
    pairs: dict[int, frozenset[int]] = {}
    for row in rows:
        words = asked[row][head : len(asked[row]) - tail]
        if len(words) < _FEWEST_WORDS:
            continue
        mine = pairs[row] = frozenset(
            crc32(f"{a} {b}".encode("utf-8", "surrogatepass")) for a, b in pairwise(words)
        )
        sketch = sorted(mine)[:_SKETCH]
        near = {other for key in sketch for other in buckets.get(key, ())[:_MOST_COMPARED]}
        # That two rows share an answer of many words is itself a sign.
        same = NEAR if len(answers[row].split()) < _FEWEST_WORDS else _SAME_WITH_ANSWER
        if any(
            answers[other] == answers[row] and _jaccard(mine, pairs[other]) >= same
            for other in near
        ):
            found.add(row)
            continue
        for key in sketch:
            buckets.setdefault(key, []).append(row)
    return found


def _jaccard(a: frozenset[int], b: frozenset[int]) -> float:
    return len(a & b) / len(a | b)


def _common_ends(texts: Sequence[list[str]]) -> tuple[int, int]:
    """How many words all texts share at their beginning, and at their end."""
    if len(texts) < 2:
        return 0, 0
    first, last = min(texts), max(texts)
    head = _shared(first, last)
    turned = [text[::-1] for text in texts]
    shortest = min(map(len, texts))
    return head, min(_shared(min(turned), max(turned)), shortest - min(head, shortest))


def _shared(a: list[str], b: list[str]) -> int:
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count
