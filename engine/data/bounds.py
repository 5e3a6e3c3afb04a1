"""How many tokens of a row the beginning of its text gives, without encoding that beginning again.

A tokenizer cuts a text at its added tokens (`<|im_start|>`) before anything else, and encodes what
lies between them piece by piece. So the tokens up to the last added one are those of the row, and
only what follows it (`assistant` and a newline, the same in every row) is encoded for itself.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

# The end of a beginning in which its last added token is looked for.
_NEAR = 300


class Bound(NamedTuple):
    """The first `base` tokens of a row, and the text that follows them."""

    base: int
    tail: str


class Bounds:
    """Finds where a beginning of a row ends, by the added tokens of a tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        added = tokenizer.get_added_tokens_decoder()
        self._ids = {token.content: id for id, token in added.items()}
        # Tokens that take the space beside them, or are looked for in changed text, cut elsewhere.
        plain = all(
            not (token.lstrip or token.rstrip or token.single_word or token.normalized)
            for token in added.values()
        )
        longest_first = sorted(self._ids, key=len, reverse=True)
        self._find = (
            re.compile("|".join(map(re.escape, longest_first))).finditer
            if plain and longest_first
            else None
        )

    def bound(self, beginning: str, whole: str, ids: list[int]) -> Bound:
        """The end of a beginning of the row `whole`, whose tokens are `ids`."""
        near = max(0, len(beginning) - _NEAR)
        found = list(self._find(beginning, near)) if self._find else []
        if not found:
            return Bound(0, beginning)
        last = found[-1]
        text = last.group()
        id = self._ids[text]
        # Where the text says it, the ids have it: else it stands inside of another token.
        if whole.count(text) != ids.count(id):
            return Bound(0, beginning)
        at = -1
        for _ in range(beginning.count(text, 0, last.start()) + 1):
            at = ids.index(id, at + 1)
        return Bound(at, beginning[last.start() :])
