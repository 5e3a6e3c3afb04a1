"""Whoever is asked: the model of a folder, or a server at a URL. One protocol, two modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from tunewright.engine.data.example import Example
from tunewright.engine.prove.likelihood import Likelihood

# Single requests that the latency is the median of.
TIMED = 3


class Said(msgspec.Struct, frozen=True):
    """The answers to some prompts. `latency_seconds`: median of single requests."""

    texts: tuple[str, ...]
    prompt_tokens: tuple[int, ...]
    cut: int
    latency_seconds: float | None


class Asker(Protocol):
    """Answers greedily; the last message of each example is the reference answer, which no prompt
    shows."""

    @property
    def plain(self) -> bool:
        """Whether turns have to be kept apart by the prompt itself: there is no template."""
        ...

    @property
    def served_as(self) -> str | None:
        """The model's name at a server; None for one of a folder."""
        ...

    @property
    def no_likelihood(self) -> str:
        """Why reference answers cannot be scored, once that is known; "" while they can."""
        ...

    def fits(self, example: Example) -> bool:
        """Whether prompt and answer fit the context."""
        ...

    def ask(self, examples: Sequence[Example], on_answer: Callable[[], None]) -> Said:
        """Answers in the order of `examples`."""
        ...

    def likelihood(
        self, examples: Sequence[Example], on_row: Callable[[int], None]
    ) -> Likelihood | None:
        """How likely the reference answers are; None where the server cannot say."""
        ...
