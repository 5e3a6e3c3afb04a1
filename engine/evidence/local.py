"""Asking the model of a folder: in batches, with what prompts share computed once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from tunewright.engine.data.example import Example
from tunewright.engine.data.tokens import Renderer
from tunewright.engine.evidence.asker import TIMED, Said
from tunewright.engine.prove.generate import greedy_answers, split_shared
from tunewright.engine.prove.likelihood import Likelihood, reference_likelihood
from tunewright.engine.prove.threads import Threads, using


class LocalAsker:
    """See `Asker`. `context`: positions that the model has, None where it does not say; `longest`:
    tokens of a prompt for which there is memory;
    `between` runs before each forward pass and may raise to leave."""

    def __init__(
        self,
        model: Any,
        renderer: Renderer,
        *,
        max_new_tokens: int,
        batch_size: int,
        context: int | None,
        longest: int | None = None,
        threads: Threads | None,
        between: Callable[[], None],
    ) -> None:
        self.model = model
        self._renderer = renderer
        self._limit = max_new_tokens
        self._batch = batch_size
        rooms = (None if context is None else context - max_new_tokens, longest)
        self._room = min((room for room in rooms if room is not None), default=None)
        self._threads = threads
        self._between = between

    no_likelihood = ""
    served_as: str | None = None

    @property
    def plain(self) -> bool:
        return self._renderer.rendering == "plain"

    def fits(self, example: Example) -> bool:
        return self._room is None or len(self._renderer.prompt_ids(example)) <= self._room

    def ask(self, examples: Sequence[Example], on_answer: Callable[[], None]) -> Said:
        prompts = [self._renderer.prompt_ids(example) for example in examples]
        prefix, rests = split_shared(prompts)
        answers = self._answers(rests, prefix, lambda _row, _answer: on_answer())
        decode = self._renderer.tokenizer.decode
        return Said(
            tuple(decode(answer, skip_special_tokens=True) for answer in answers),
            tuple(map(len, prompts)),
            sum(len(answer) == self._limit for answer in answers),
            self._latency(prompts[:TIMED]),
        )

    def likelihood(
        self, examples: Sequence[Example], on_row: Callable[[int], None]
    ) -> Likelihood | None:
        done = 0

        def progress(rows: int) -> None:
            nonlocal done
            on_row(rows - done)
            done = rows

        with using(self._threads.prefill if self._threads else None):
            return reference_likelihood(
                self.model,
                [self._renderer.tokenize(example, "completion") for example in examples],
                batch_size=self._batch,
                on_progress=progress,
                between_batches=self._between,
                share_prefix=True,
            )

    def _latency(self, prompts: Sequence[list[int]]) -> float | None:
        """Single requests from the first token on: what one person waits for, with no batch and
        nothing read before."""
        taken = []
        for prompt in prompts:
            started = time.monotonic()
            self._answers([prompt], [], None)
            taken.append(time.monotonic() - started)
        return round(median(taken), 4) if taken else None

    def _answers(
        self,
        prompts: Sequence[list[int]],
        prefix: Sequence[int],
        on_answer: Callable[[int, list[int]], None] | None,
    ) -> list[list[int]]:
        return greedy_answers(
            self.model,
            prompts,
            prefix=prefix,
            eos_ids=sorted(self._renderer.stop_ids),
            max_new_tokens=self._limit,
            batch_size=self._batch,
            threads=self._threads,
            on_answer=on_answer,
            between_steps=self._between,
        )
