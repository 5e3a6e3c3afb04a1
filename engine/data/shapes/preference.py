"""Preference: a chosen and a rejected answer, as text, as turns, as a last turn, or as dialogues;
their common prompt stands in a field of its own or is what both begin with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.example import Message
from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.conversation import with_system
from tunewright.engine.data.shapes.dialogue import dialogue_turns, is_dialogue
from tunewright.engine.data.shapes.prompt_completion import ASKED
from tunewright.engine.data.shapes.shape import (
    Names,
    Normal,
    Parsed,
    Shape,
    alias,
    text_wrong,
    told,
)
from tunewright.engine.data.shapes.turns import Turns, parse_turn, parse_turns, role_of
from tunewright.engine.data.shapes.written import turns_in

_CHOSEN = (
    "chosen", "chosen_response", "response_chosen", "preferred", "accepted", "response_j",
    "preferred_output", "chosen_messages", "chosen_answer",
)  # fmt: skip
_REJECTED = (
    "rejected", "rejected_response", "response_rejected", "dispreferred", "response_k",
    "non_preferred_output", "rejected_messages", "rejected_answer",
)  # fmt: skip
# A dialogue that ends with its question, or with the name of who is to answer.
_ASKS = re.compile(r"\s*Human:")
_VALUES = (str, list, dict)


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    if "chosen" in row and "rejected" in row:
        chosen, rejected, sure = "chosen", "rejected", 1.0
    else:
        found = alias(row, _CHOSEN, _VALUES), alias(row, _REJECTED, _VALUES)
        if found[0] is None or found[1] is None:
            return None
        chosen, rejected, sure = found[0], found[1], 0.9
    names = {"chosen": chosen, "rejected": rejected}
    asked = row.get("input")
    if isinstance(asked, dict) and "messages" in asked:
        # OpenAI's preference format.
        return names | {"prompt": "input"}, sure
    prompt = alias(row, ASKED, (str, list))
    names |= {} if prompt is None else {"prompt": prompt}
    for name in ("conversations", "messages", "trajectory"):
        if isinstance(row.get(name), list):
            names |= {"conversations": name}
            break
    return names | _system(row), sure


def _system(row: Mapping[str, Any]) -> dict[str, str]:
    found = alias(row, ("system", "system_prompt"), (str,))
    return {} if found is None else {"system": found}


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    at = names["chosen"], names["rejected"]
    return parse_pair(row, names, (row.get(at[0]), at[0]), (row.get(at[1]), at[1]))


def parse_pair(
    row: Mapping[str, Any], names: Names, better: tuple[Any, str], worse: tuple[Any, str]
) -> Parsed:
    """The pair of two answers, each with the field in which it stands."""
    sides: list[Turns] = []
    for value, field in (better, worse):
        side = _side(value, field)
        if isinstance(side, list):
            return side
        sides.append(side)
    chosen, rejected = sides
    prompt = _prompt(row, names)
    if isinstance(prompt, list):
        return prompt
    if prompt is None:
        prompt, chosen, rejected = _common(chosen, rejected)
        if not prompt.messages:
            return [Wrong(better[1], "no common prompt", "a prompt", "prompt.missing")]
    else:
        chosen, rejected = _after(prompt, chosen), _after(prompt, rejected)
    for side, field in ((chosen, better[1]), (rejected, worse[1])):
        if not side.messages or side.messages[-1].role != "assistant":
            wrong = Wrong(field, "no answer at its end", "an assistant turn last")
            return [wrong._replace(id="answer.missing")]
    return Normal(
        "preference",
        prompt.messages,
        prompt.fields,
        chosen=chosen.messages,
        rejected=rejected.messages,
        chosen_fields=chosen.fields,
        rejected_fields=rejected.fields,
    )


def _side(value: Any, field: str) -> Turns | list[Wrong]:
    """The turns of one side, its prompt included where the value holds it."""
    value = turns_in(value)
    if isinstance(value, str) and is_dialogue(value):
        return dialogue_turns(value, field, "assistant")
    if isinstance(value, dict):
        turn = parse_turn(value, field)
        return [turn] if isinstance(turn, Wrong) else Turns((turn,), (field,))
    if isinstance(value, list):
        if len(value) == 1:
            side = _side(value[0], f"{field}[0]")
            if isinstance(side, Turns) and isinstance(value[0], dict):
                key = "value" if "value" in value[0] else "content"
                return Turns(side.messages, (f"{field}[0].{key}",))
            return side
        return parse_turns(value, field)
    wrong = text_wrong(value, field, "text or turns", "answer.empty")
    return wrong or Turns((Message("assistant", value),), (field,))


def _prompt(row: Mapping[str, Any], names: Names) -> Turns | list[Wrong] | None:
    found: Turns | list[Wrong] | None = None
    if "conversations" in names and not _is_answered(row.get(names["conversations"])):
        at = names["conversations"]
        return with_system(row, names, row.get(at), at, "user")
    if "prompt" in names:
        at = names["prompt"]
        value = turns_in(row.get(at))
        if isinstance(value, dict) and "messages" in value:
            found = parse_turns(value["messages"], f"{at}.messages", "user")
        elif isinstance(value, list):
            found = parse_turns(value, at, "user")
        elif isinstance(value, str) and (is_dialogue(value) or _ASKS.match(value)):
            found = dialogue_turns(value, at, "user")
        elif isinstance(value, str):
            found = text_wrong(value, at) or Turns((Message("user", value),), (at,))
        else:
            found = [Wrong(at, told(value), "text or turns")]
    system = row.get(names["system"]) if "system" in names else None
    if isinstance(found, Turns) and system and found.messages[0].role != "system":
        return Turns((Message("system", system), *found.messages), ("system", *found.fields))
    return found


def _is_answered(turns: Any) -> bool:
    """Whether turns beside a pair end with an answer, as in UltraFeedback: the chosen one's, said
    once more, and no prompt."""
    last = turns[-1] if isinstance(turns, list) and turns else None
    return isinstance(last, dict) and role_of(last) == "assistant"


def _common(chosen: Turns, rejected: Turns) -> tuple[Turns, Turns, Turns]:
    """(what both begin with, the rest of each): the implicit prompt."""
    same = 0
    for a, b in zip(chosen.messages[:-1], rejected.messages[:-1], strict=False):
        if a != b:
            break
        same += 1
    # Where the answers themselves begin alike, the prompt still ends with a question.
    while same and chosen.messages[same - 1].role == "assistant":
        same -= 1
    return (
        Turns(chosen.messages[:same], chosen.fields[:same]),
        Turns(chosen.messages[same:], chosen.fields[same:]),
        Turns(rejected.messages[same:], rejected.fields[same:]),
    )


def _after(prompt: Turns, side: Turns) -> Turns:
    """The side without the prompt that some sets repeat in it."""
    asked = tuple(m for m in prompt.messages if m.role != "system")
    whole = tuple(m for m in side.messages if m.role != "system")
    if len(whole) > len(asked) and whole[: len(asked)] == asked:
        return Turns(whole[len(asked) :], side.fields[-(len(whole) - len(asked)) :])
    if len(whole) > 1:
        # The prompt field holds another wording; the answer is what is judged.
        return Turns(whole[-1:], side.fields[-1:])
    return side


SHAPE = Shape(
    name="preference",
    kind="preference",
    title="a chosen and a rejected answer",
    needs=("chosen", "rejected"),
    reads=("prompt", "chosen", "rejected", "system", "conversations"),
    turns=("chosen", "rejected", "conversations"),
    bind=_bind,
    parse=_parse,
)
