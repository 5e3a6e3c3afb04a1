"""When two rows say the same, and when an answer says what was asked. One home for what is true of
rows: the checks of data and the decision both go by it.

Words are compared in lower case and without marks, so that a changed comma makes no new row.
"""

from __future__ import annotations

import re

from tunewright.engine.data.example import Example

# An extract is a part of its input; an answer that holds nearly all of it in its order is a copy.
WHOLE = 0.8
_WORD = re.compile(r"\w+")


def asked_of(example: Example) -> str:
    """The turns before the last answer, without the system prompt."""
    return "\n".join(m.content for m in example.messages[:-1] if m.role != "system")


def words_of(text: str) -> list[str]:
    """Words and numbers in lower case; marks are left out."""
    return _WORD.findall(text.casefold())


def plain_words(text: str) -> str:
    """What texts that differ in case and marks only share. Text without a single word (signs,
    emoji) is compared as it stands."""
    return " ".join(words_of(text)) or text.strip()


def said(asked: str, answer: str) -> tuple[str, str]:
    """What a row says: equal for rows that differ in case and marks only."""
    return plain_words(asked), plain_words(answer)


def is_copy(asked: str, answer: str) -> bool:
    """Whether an answer is its question, word for word, or holds most of it in one piece."""
    # Counting letters first is a hundred times quicker, and words of one text are about as long as
    # those of the other.
    if not WHOLE / 2 < (len(answer) + 1) / (len(asked) + 1) < 2 / WHOLE:
        return False
    before, after = words_of(asked), words_of(answer)
    if not before or not WHOLE * len(before) <= len(after) <= len(before) / WHOLE:
        return False
    joined, other = f" {' '.join(before)} ", f" {' '.join(after)} "
    return other in joined or joined in other
