"""Holding rows out: seeded, the same on every machine, no prompt on both sides."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

from tunewright.engine.data.example import Example
from tunewright.hardware.errors import Problem


def prompt_key(example: Example) -> str:
    """Equal for rows whose turns before the last answer are equal."""
    text = "\x1f".join(f"{m.role}\x1e{m.content}" for m in example.messages[:-1])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def split(
    examples: Sequence[Example], fraction: float, seed: int
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """(train, held out), each in file order: about `fraction` of the rows, at least one, is out.

    Rows with the same prompt stay together, or the answer would be known beforehand. A `Problem`
    when the fraction is not between 0 and 1 or nothing would be left on one side.
    """
    if not 0 < fraction < 1:
        raise Problem(
            f"a held-out share of {fraction:g} makes no sense",
            why="it is a fraction of the rows, above 0 and below 1",
            cure="--eval-fraction 0.1",
        )
    groups: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        groups.setdefault(prompt_key(example), []).append(index)
    if len(groups) < 2:
        raise Problem(
            f"{len(examples)} rows with {len(groups)} different prompts cannot be split",
            why="one side would be empty, or hold the other's answers",
            cure="give more rows, or held-out rows of their own: --eval-data FILE",
        )
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    wanted = max(1, round(len(examples) * fraction))
    held: set[int] = set()
    for key in order[:-1]:
        if len(held) >= wanted:
            break
        held.update(groups[key])
    train = tuple(e for i, e in enumerate(examples) if i not in held)
    return train, tuple(e for i, e in enumerate(examples) if i in held)
