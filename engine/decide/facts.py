"""What the rows themselves say, so that nobody needs to be asked."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from tunewright.engine.data.example import Example
from tunewright.engine.decide.measured import Measured
from tunewright.engine.suspect.trouble import Trouble

# Below this share of the rows, a few contradictions are slips; above the second they are the data.
MIXED_CONFLICTS = 0.05
LOW_CONFLICTS = 0.20
# An answer of so many bytes has at most so many tokens; `DataFacts.answers` calls 64 tokens short.
_SHORT_BYTES = 64


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Counts of rows; None where nothing has counted them.

    `rows` are for training and `eval_rows` held out. `duplicate_rows` of the training rows repeat
    another one, `conflicting_rows` share their prompt with a row that is answered otherwise.
    `distinct_answers`: different last answers of the training rows.
    `answers`: what the answers are, as in `DataFacts`. `troubles`: what is wrong with the rows.
    `measured`: what a measurement on them found; `refused`: none was made, since they are too bad.
    `too_long`: training rows that exceed the model's context. `fits`: whether some training fits
    the machine; both None until a model is known.
    """

    rows: int | None = None
    eval_rows: int | None = None
    duplicate_rows: int | None = None
    conflicting_rows: int | None = None
    distinct_answers: int | None = None
    answers: Literal["json", "short", "text"] | None = None
    troubles: tuple[Trouble, ...] = ()
    measured: Measured | None = None
    refused: bool = False
    too_long: int | None = None
    fits: bool | None = None

    @property
    def total(self) -> int | None:
        """Rows for training and held out together."""
        return None if self.rows is None else self.rows + (self.eval_rows or 0)

    @property
    def distinct(self) -> int | None:
        """Examples that say something new: all rows without the repeated ones. Only training rows
        were compared, so held-out rows count at the training rows' share."""
        if self.rows is None or self.total is None:
            return None
        fresh = self.rows - (self.duplicate_rows or 0)
        return self.total * fresh // self.rows if self.rows else self.total

    @property
    def duplicate_share(self) -> float:
        return (self.duplicate_rows or 0) / self.rows if self.rows else 0.0

    @property
    def conflict_share(self) -> float:
        """Share of rows that contradict another one; 0 for free text, which may vary rightly."""
        if not self.rows or self.answers not in ("json", "short"):
            return 0.0
        return (self.conflicting_rows or 0) / self.rows

    def trouble(self, id: str) -> Trouble | None:
        """The trouble of that id, if the rows have it."""
        return next((trouble for trouble in self.troubles if trouble.id == id), None)

    @property
    def broken(self) -> bool:
        """The training rows teach nothing, or the wrong thing. Held-out rows in training are no
        such fault: they spoil the measurement, not the training."""
        return any(trouble.severe and trouble.id != "leaked" for trouble in self.troubles)

    @property
    def unprovable(self) -> bool:
        """So many held-out rows stand in training that nothing could show what a training brought;
        a measurement leaves them out, and goes by the others."""
        found = self.trouble("leaked")
        return found is not None and found.severe and self.measured is None

    @property
    def constant(self) -> bool:
        """Every row, or nearly every one, has the same answer, whatever is asked."""
        alone = self.distinct_answers == 1 and (self.rows or 0) > 1
        return alone or self.trouble("constant") is not None

    @property
    def quality(self) -> Literal["mixed", "low"] | None:
        """What contradictions say of the quality; without them it stays unknown: no count can tell
        that answers are right."""
        if self.conflict_share >= LOW_CONFLICTS:
            return "low"
        return "mixed" if self.conflict_share >= MIXED_CONFLICTS else None


def facts_of_rows(examples: Sequence[Example], held: Sequence[Example] = ()) -> Facts:
    """Facts of rows before a model is chosen: what can be counted without a tokenizer. `held` are
    looked for among the rows, and counted.

    `answers` stays None for answers that only a tokenizer could call short or not. Rows are gone
    through one by one, and some 30 bytes of each are kept; troubles say of how many rows they are.
    """
    # The checks and the reading of rows behind them, which a verdict without rows does not need.
    from tunewright.engine.data.keys import equal_pairs, key_of
    from tunewright.engine.data.split import prompt_key
    from tunewright.engine.suspect.trouble import troubles

    prompts, pairs, answers = array("Q"), array("Q"), array("Q")
    sizes: Counter[int] = Counter()
    objects = 0
    for example in examples:
        prompt, answer = prompt_key(example), example.messages[-1].content
        prompts.append(key_of(prompt))
        pairs.append(key_of(f"{prompt}{answer}"))
        answers.append(key_of(answer))
        sizes[len(answer.encode("utf-8", "surrogatepass"))] += 1
        objects += _is_json_object(answer)
    count = len(prompts)
    repeated = sum(1 for _ in equal_pairs(pairs))
    found = troubles(examples, held)
    nearly = next((t.rows * count // t.of for t in found if t.id == "repeats"), 0)
    return Facts(
        rows=count,
        eval_rows=len(held) or None,
        duplicate_rows=max(nearly, repeated),
        conflicting_rows=_conflicting(prompts, pairs),
        distinct_answers=count - sum(1 for _ in equal_pairs(answers)),
        answers=_kind(count, objects, sizes),
        troubles=found,
    )


def _conflicting(prompts: array[int], pairs: array[int]) -> int:
    """Rows whose prompt has several answers."""
    from tunewright.engine.data.keys import equal_pairs

    first = array("I", range(len(prompts)))
    several = bytearray(len(prompts))
    for head, row in equal_pairs(prompts):
        first[row] = head
        several[head] |= pairs[head] != pairs[row]
    return sum(several[head] for head in first)


def _kind(count: int, objects: int, sizes: Counter[int]) -> Literal["json", "short"] | None:
    if not count:
        return None
    if objects >= 0.95 * count:
        return "json"
    below = 0
    for size in sorted(sizes):
        below += sizes[size]
        if below > int(0.95 * count):
            return "short" if size <= _SHORT_BYTES else None
    return None


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
