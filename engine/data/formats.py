"""The row formats that are read: how each is recognised, checked and turned into messages.

A format is one row of `FORMATS`. Parsers never guess: what is wrong is returned field by field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tunewright.engine.data.example import Format, Message

ROLES = ("system", "user", "assistant")
TURN = ("role", "content")


class Wrong(NamedTuple):
    """One field that is not as expected."""

    field: str
    found: str
    expected: str


Parsed = tuple[Message, ...] | list[Wrong]


class RowFormat(NamedTuple):
    """`needs` are the keys by which rows of this format are known, `knows` all that are read;
    `turns` those of them that may hold a list of turns."""

    name: Format
    needs: tuple[str, ...]
    knows: tuple[str, ...]
    turns: tuple[str, ...]
    parse: Callable[[dict[str, Any]], Parsed]

    def unread(self, row: dict[str, Any]) -> list[str]:
        """Fields of a row that nothing is made of, those of its turns as `messages[].name`."""
        found = [key for key in row if key not in self.knows]
        for field in self.turns:
            turns = row.get(field)
            objects = [t for t in turns if isinstance(t, dict)] if isinstance(turns, list) else []
            keys = (key for turn in objects for key in turn if key not in TURN)
            found += dict.fromkeys(f"{field}[].{key}" for key in keys)
        return found


def _messages(row: dict[str, Any]) -> Parsed:
    return parse_turns(row["messages"], "messages")


def parse_turns(turns: Any, field: str) -> Parsed:
    """Messages in order: perhaps a system turn, then user and assistant in turn, an answer last."""
    if not isinstance(turns, list) or not turns:
        return [Wrong(field, told(turns), "a list of turns with role and content")]
    wrong: list[Wrong] = []
    messages: list[Message] = []
    for index, turn in enumerate(turns):
        at = f"{field}[{index}]"
        if not isinstance(turn, dict):
            wrong.append(Wrong(at, told(turn), "an object with role and content"))
            continue
        role, content = turn.get("role"), turn.get("content")
        if role not in ROLES:
            wrong.append(Wrong(f"{at}.role", told(role), "system, user or assistant"))
        elif not isinstance(content, str):
            wrong.append(Wrong(f"{at}.content", told(content), "text"))
        elif role == "assistant" and not content.strip():
            wrong.append(Wrong(f"{at}.content", "empty text", "an answer"))
        else:
            messages.append(Message(role, content))
    return wrong or _in_order(messages, field)


def _in_order(messages: list[Message], field: str) -> Parsed:
    for index, message in enumerate(messages):
        at = f"{field}[{index}].role"
        before = messages[index - 1].role if index else None
        if message.role == "system" and index:
            return [Wrong(at, "a system turn in the middle", "the system turn first")]
        if message.role == "assistant" and before != "user":
            return [Wrong(at, f"assistant after {before or 'nothing'}", "a user turn before it")]
        if message.role == "user" and before == "user":
            return [Wrong(at, "user after user", "an answer between two user turns")]
    if messages[-1].role != "assistant":
        return [
            Wrong(
                f"{field}[{len(messages) - 1}].role",
                f"the last turn is the {messages[-1].role}'s",
                "an assistant turn last: there is nothing to learn without an answer",
            )
        ]
    return tuple(messages)


def _prompt_completion(row: dict[str, Any]) -> Parsed:
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, list) and isinstance(completion, list):
        return parse_turns([*prompt, *completion], "prompt+completion")
    wrong = [
        *_text(prompt, "prompt", "text (or a list of turns, as the completion)"),
        *_text(completion, "completion", "text (or a list of turns, as the prompt)"),
    ]
    return wrong or (Message("user", prompt), Message("assistant", completion))


def _alpaca(row: dict[str, Any]) -> Parsed:
    """The input follows the instruction after a blank line; the Alpaca preamble is left out, since
    the model's own chat template frames the turn."""
    instruction, output = row["instruction"], row["output"]
    given, system, history = (
        empty if row.get(field) is None else row[field]
        for field, empty in (("input", ""), ("system", ""), ("history", []))
    )
    wrong = [*_text(instruction, "instruction", "text"), *_text(output, "output", "text")]
    for value, field in ((given, "input"), (system, "system")):
        if not isinstance(value, str):
            wrong.append(Wrong(field, told(value), "text or nothing"))
    turns = [Message("system", system)] if system and not wrong else []
    if not isinstance(history, list):
        wrong.append(Wrong("history", told(history), "a list of [question, answer] pairs"))
        history = []
    for index, pair in enumerate(history):
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(p, str) for p in pair):
            turns += [Message("user", pair[0]), Message("assistant", pair[1])]
        else:
            wrong.append(Wrong(f"history[{index}]", told(pair), "a [question, answer] pair"))
    if wrong:
        return wrong
    user = f"{instruction}\n\n{given}" if given.strip() else instruction
    return (*turns, Message("user", user), Message("assistant", output))


def _text(value: Any, field: str, expected: str) -> list[Wrong]:
    if not isinstance(value, str):
        return [Wrong(field, told(value), expected)]
    return [] if value.strip() else [Wrong(field, "empty text", "some text")]


def told(value: Any) -> str:
    """A value in an error: its kind, and a little of it."""
    if value is None:
        return "nothing"
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true/false"}
    kind = kinds.get(type(value), "a number")
    return f"{kind} ({str(value)[:40]!r})" if value not in ({}, [], "") else f"{kind}, empty"


FORMATS: tuple[RowFormat, ...] = (
    RowFormat("messages", ("messages",), ("messages",), ("messages",), _messages),
    RowFormat(
        "prompt_completion",
        ("prompt", "completion"),
        ("prompt", "completion"),
        ("prompt", "completion"),
        _prompt_completion,
    ),
    RowFormat(
        "alpaca",
        ("instruction", "output"),
        ("instruction", "input", "output", "system", "history"),
        (),
        _alpaca,
    ),
)
