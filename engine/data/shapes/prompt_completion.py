"""prompt / completion, under these names or those that question sets use."""

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
from tunewright.engine.data.shapes.turns import parse_turns

ASKED = (
    "prompt", "question", "query", "instruction", "user", "human", "input", "problem", "inputs",
    "source", "context", "article", "document", "dialogue", "sentence",
)  # fmt: skip
ANSWERED = (
    "completion", "answer", "response", "output", "assistant", "reply", "solution", "target",
    "targets", "outputs", "summary", "bot", "gpt", "highlights", "translation",
)  # fmt: skip


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    if "prompt" in row and "completion" in row:
        return {"prompt": "prompt", "completion": "completion", **_system(row)}, 1.0
    asked = alias(row, ASKED, (str, list))
    answered = alias(row, ANSWERED, (str, list, dict))
    if asked is None or answered is None:
        return None
    return {"prompt": asked, "completion": answered, **_system(row)}, 0.8


def _system(row: Mapping[str, Any]) -> dict[str, str]:
    found = alias(row, ("system", "system_prompt"), (str, type(None)))
    return {} if found is None else {"system": found}


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    asked_at, answered_at = names["prompt"], names["completion"]
    prompt, completion = row.get(asked_at), row.get(answered_at)
    if isinstance(prompt, list) and (isinstance(completion, (list, dict))):
        turns = parse_turns(
            [*prompt, *(completion if isinstance(completion, list) else [completion])],
            f"{asked_at}+{answered_at}",
        )
        return turns if isinstance(turns, list) else Normal("conversation", *turns)
    if isinstance(prompt, list) and isinstance(completion, str):
        last = [{"role": "assistant", "content": completion}]
        turns = parse_turns([*prompt, *last], f"{asked_at}+{answered_at}")
        return turns if isinstance(turns, list) else Normal("conversation", *turns)
    completion = _answer_of(completion)
    wrong = [
        *text_wrong(prompt, asked_at, "text (or a list of turns, as the completion)"),
        *text_wrong(
            completion, answered_at, "text (or a list of turns, as the prompt)", "answer.empty"
        ),
    ]
    system = row.get(names["system"]) if "system" in names else None
    if system is not None and not isinstance(system, str):
        wrong.append(Wrong(names["system"], told(system), "text or nothing"))
    if wrong or not (isinstance(prompt, str) and isinstance(completion, str)):
        return wrong
    pairs = [(Message("user", prompt), asked_at), (Message("assistant", completion), answered_at)]
    if system:
        pairs.insert(0, (Message("system", system), names["system"]))
    return Normal("conversation", tuple(p[0] for p in pairs), tuple(p[1] for p in pairs))


def _answer_of(value: Any) -> Any:
    """The text of answers as SQuAD has them, {"text": ["…"]}; the first of a list of texts."""
    if isinstance(value, dict) and isinstance(value.get("text"), list):
        value = value["text"]
    if isinstance(value, list) and value and isinstance(value[0], str):
        return value[0]
    return value


SHAPE = Shape(
    name="prompt_completion",
    kind="conversation",
    title="a prompt and its completion",
    needs=("prompt", "completion"),
    reads=("prompt", "completion", "system"),
    turns=("prompt", "completion"),
    bind=_bind,
    parse=_parse,
)
