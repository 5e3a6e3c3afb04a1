"""Alpaca: instruction, input and output, perhaps with system and history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.example import Message
from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.calls import parse_tools, written_calls
from tunewright.engine.data.shapes.prompt_completion import THOUGHT
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
    names = _beside(row) | ({} if given is None else {"input": given})
    if "output" in row:
        return {"output": "output", **names}, 1.0
    answered = alias(row, ("response", "answer", "completion"), (str,))
    return None if answered is None else ({"output": answered, **names}, 0.9)


def _beside(row: Mapping[str, Any]) -> dict[str, str]:
    found = {
        "system": alias(row, ("system", "system_prompt"), (str, type(None))),
        "thought": alias(row, THOUGHT, (str, type(None))),
        "tools": alias(row, ("tools", "functions"), (str, list, type(None))),
    }
    return {ours: name for ours, name in found.items() if name is not None}


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    """The input follows the instruction after a blank line; the Alpaca preamble is left out, since
    the model's own chat template frames the turn."""
    at = names["output"]
    instruction, output = row.get("instruction"), row.get(at)
    output, _ = answer_of(output, at, "instruction")
    given_at, system_at = names.get("input", "input"), names.get("system", "system")
    given, system, history = (
        empty if row.get(field) is None else row[field]
        for field, empty in ((given_at, ""), (system_at, ""), ("history", []))
    )
    thought = row.get(names["thought"]) if "thought" in names else None
    tools = parse_tools(row.get(names["tools"]), names["tools"]) if "tools" in names else ()
    wrong = [
        *text_wrong(instruction, "instruction"),
        *text_wrong(output, at, "text", "answer.empty"),
    ]
    for value, field in ((given, given_at), (system, system_at), (thought or "", "thought")):
        if not isinstance(value, str):
            wrong.append(Wrong(names.get(field, field), told(value), "text or nothing"))
    if isinstance(tools, Wrong):
        return [*wrong, tools]
    turns = [(Message("system", system), system_at)] if system and not wrong else []
    before = history_turns(history, "history")
    if isinstance(before, Wrong):
        wrong.append(before)
    else:
        turns += before
    if wrong or not (isinstance(instruction, str) and isinstance(output, str)):
        return wrong
    user = f"{instruction}\n\n{given}" if given.strip() else instruction
    calls = written_calls(output) if tools else ()
    answer = Message("assistant", "" if calls else output, thought or None, calls)
    turns += [(Message("user", user), "instruction"), (answer, at)]
    return Normal("conversation", tuple(t[0] for t in turns), tuple(t[1] for t in turns), tools)


SHAPE = Shape(
    name="alpaca",
    kind="conversation",
    title="instruction, input, output (Alpaca)",
    needs=("instruction", "output"),
    reads=("instruction", "input", "output", "system", "history", "thought", "tools"),
    turns=(),
    bind=_bind,
    parse=_parse,
)
