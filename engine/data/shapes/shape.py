"""What a shape is: how rows of it are recognised and what they become."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from tunewright.engine.data.example import Format, Message
from tunewright.engine.data.readers.block import Wrong

Kind = Literal["conversation", "preference", "labelled", "scored", "text"]


class Normal(NamedTuple):
    """A row in the internal shape, which is that of TRL's conversational formats.

    conversation: `messages` end with an answer. preference: `messages` is the prompt, `chosen` and
    `rejected` are the turns after it. labelled and scored: `messages` end with the answer that
    `label` or `score` judges. text: `text` alone. `fields`, `chosen_fields` and
    `rejected_fields` say where each message stands in the row, `tools` are the schemas of functions
    that may be called.
    """

    kind: Kind
    messages: tuple[Message, ...] = ()
    fields: tuple[str, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    chosen: tuple[Message, ...] = ()
    rejected: tuple[Message, ...] = ()
    chosen_fields: tuple[str, ...] = ()
    rejected_fields: tuple[str, ...] = ()
    label: bool | None = None
    score: float | None = None
    text: str | None = None

    @property
    def answer(self) -> str | None:
        """The last text to learn: the answer, the chosen one, or None for plain text."""
        if self.chosen:
            return self.chosen[-1].content
        return self.messages[-1].content if self.messages else None

    @property
    def answer_field(self) -> str:
        if self.chosen:
            return self.chosen_fields[-1] if self.chosen_fields else "chosen"
        return self.fields[-1] if self.fields else "text"

    @property
    def asked(self) -> tuple[Message, ...]:
        """The turns before the answer."""
        return self.messages if self.chosen else self.messages[:-1]


Parsed = Normal | list[Wrong]
# What a shape reads -> the row's own name of it, e.g. {"prompt": "question"}.
Names = Mapping[str, str]


class Shape(NamedTuple):
    """One shape. `bind` looks at keys and types of a row and says under which names it has what
    this shape reads, and how sure that makes it (0 to 1); None when the row is of another shape.
    It may look at nothing that differs between rows with equal keys and types.

    `needs`: what must be there, for messages. `reads`: every field that is read, by its usual name.
    `turns`: those of them that hold turns. `otherwise` says how such rows could be read too, and
    how to ask for that; "" where there is one way.
    """

    name: Format
    kind: Kind
    title: str
    needs: tuple[str, ...]
    reads: tuple[str, ...]
    turns: tuple[str, ...]
    bind: Callable[[Mapping[str, Any]], tuple[Names, float] | None]
    parse: Callable[[Mapping[str, Any], Names], Parsed]
    otherwise: Callable[[Names], str] = lambda names: ""

    def __reduce__(self) -> tuple[Any, ...]:
        # By name to other processes, which have the functions themselves.
        from tunewright.engine.data.shapes.find import shape_named

        return shape_named, (self.name,)


def told(value: Any) -> str:
    """A value in an error: its kind, and a little of it."""
    if value is None:
        return "nothing"
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true/false"}
    kind = kinds.get(type(value), "a number")
    if value in ({}, [], ""):
        return f"{kind}, empty"
    short = value[:40] if isinstance(value, str) else _brief(value)
    return f"{kind} ({short[:40]!r})"


def _brief(value: Any) -> str:
    """A little of a value that may be huge or nested deeply."""
    if isinstance(value, dict):
        return "{" + ", ".join(str(key)[:20] for key in list(value)[:3])
    if isinstance(value, list):
        return f"{len(value)} items"
    return str(value)


def text_wrong(value: Any, field: str, expected: str = "text", id: str = "") -> list[Wrong]:
    """What is wrong with a value that has to be text that is not empty."""
    if not isinstance(value, str):
        missing = value is None and id
        return [Wrong(field, told(value), expected, id if missing else "field.type")]
    return [] if value.strip() else [Wrong(field, "empty text", "some text", id or "field.empty")]


def joined(name: str) -> str:
    """A name in small letters, its words joined by "_"."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\s-]+", "_", words).lower()


def alias(row: Mapping[str, Any], names: tuple[str, ...], kinds: tuple[type, ...]) -> str | None:
    """The first of `names` that the row has with a value of one of `kinds`, whatever its case, and
    however its words are joined: `Input Text`, `inputText`."""
    by_low = {joined(str(key)): key for key in row}
    by_low |= {str(key).lower(): key for key in row}
    for name in names:
        key = by_low.get(name)
        if key is not None and isinstance(row[key], kinds):
            return str(key)
    return None
