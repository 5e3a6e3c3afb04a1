"""What a rule of the decision is, and the weights it speaks with.

Weights are ours, chosen so that the sources' own verdicts come out; `settle` adds them up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from tunewright.engine.decide.case import Case
from tunewright.engine.decide.guide import Verdicts

SLIGHT, CLEAR, STRONG, VERY_STRONG, DECIDES = 1, 2, 3, 4, 9
# Outweighs all that can speak for training together: no source advises it before a prompt was
# tried.
FIRST = 5

Effects = tuple[tuple[Verdicts, int], ...]


class Rule(NamedTuple):
    """`when` it fires; `effects`: approach and weight, above 0 for and below 0 against it; its
    `sentence` for a case in which it fires; the `source` that it comes from. `doubt`: how much the
    verdict loses in confidence when the rule fires."""

    id: str
    when: Callable[[Case], bool]
    effects: Effects
    sentence: Callable[[Case], str]
    source: str
    doubt: Literal["", "some", "much"] = ""

    @property
    def family(self) -> str:
        """What it is about: the first part of its id."""
        return self.id.partition(".")[0]


def told(text: str) -> Callable[[Case], str]:
    """The sentence of a rule that says the same in every case."""
    return lambda _: text
