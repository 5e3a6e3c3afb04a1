"""Alpaca: instruction, input and output, perhaps with system and history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.example import Message
from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.shape import (
    Names,
    Normal,
    Parsed,
    Shape,
    alias,
    text_wrong,
    told,
)
from tunewright.engine.data.shapes.turns import history_turns
from tunewright.engine.data.shapes.written import answer_of


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    if "instruction" not in row:
        return None
    given = next((name for name in ("input", "context") if name in row), None)
    names = {} if given is None else {"input": given}
    if "output" in row:
        return {"output": "output", **names}, 1.0
    answered = alias(row, ("response", "answer", "completion"), (str,))
    return None if answered is None else ({"output": answered, **names}, 0.9)


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    """The input follows the instruction after a blank line; the Alpaca preamble is left out, since
    the model's own chat template frames the turn."""
    at = names["output"]
    instruction, output = row.get("instruction"), row.get(at)
    output, _ = answer_of(output, at, "instruction")
    given_at = names.get("input", "input")
    given, system, history = (
        empty if row.get(field) is None else row[field]
        for field, empty in ((given_at, ""), ("system", ""), ("history", []))
    )
    wrong = [
        *text_wrong(instruction, "instruction"),
        *text_wrong(output, at, "text", "answer.empty"),
    ]
    for value, field in ((given, given_at), (system, "system")):
        if not isinstance(value, str):
            wrong.append(Wrong(field, told(value), "text or nothing"))
    turns = [(Message("system", system), "system")] if system and not wrong else []
    before = history_turns(history, "history")
    if isinstance(before, Wrong):
        wrong.append(before)
    else:
        turns += before
    if wrong or not (isinstance(instruction, str) and isinstance(output, str)):
        return wrong
    user = f"{instruction}\n\n{given}" if given.strip() else instruction
    turns += [(Message("user", user), "instruction"), (Message("assistant", output), at)]
    return Normal("conversation", tuple(t[0] for t in turns), tuple(t[1] for t in turns))


SHAPE = Shape(
    name="alpaca",
    kind="conversation",
    title="instruction, input, output (Alpaca)",
    needs=("instruction", "output"),
    reads=("instruction", "input", "output", "system", "history"),
    turns=(),
    bind=_bind,
    parse=_parse,
)
