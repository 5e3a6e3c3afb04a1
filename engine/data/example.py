"""The one internal shape of a training row, and what is known of a whole data set."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Role = Literal["system", "user", "assistant", "tool"]
# Names of the shapes in `shapes/`; a test holds the two equal.
Format = Literal[
    "messages",
    "prompt_completion",
    "alpaca",
    "sharegpt",
    "dialogue",
    "choices",
    "classes",
    "translation",
    "annotated",
    "rendered",
    "threads",
    "preference",
    "ranked",
    "kto",
    "reward",
    "text",
]
Severity = Literal["error", "warn", "info"]


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a row stands: file, line (from 1) and field.

    `row`: its number in the file (from 1) where the line may not tell it apart: in a JSON document,
    where a line may hold several, and in a table, which has no lines: there `line` is the row's
    number too.
    """

    file: str
    line: int
    field: str | None = None
    row: int | None = None

    def __str__(self) -> str:
        at = self.file if self.row == self.line else f"{self.file}:{self.line}"
        at += "" if self.row is None else f" row {self.row}"
        return at + (f":{self.field}" if self.field else "")


class ToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One call that the assistant makes. `arguments`: an object, or text where it was no JSON."""

    name: str
    arguments: Any
    id: str | None = None


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One turn of a conversation, in the field names of the Hugging Face chat format.

    `reasoning` is what the assistant thought before it answered; `name` and `tool_call_id` say
    whose result a tool turn is. `trained` false: the row says that nothing is to be learned from
    this turn of the assistant (`weight` 0, `train` false).
    """

    role: Role
    content: str
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    name: str | None = None
    tool_call_id: str | None = None
    trained: bool = True

    def turn(self) -> dict[str, Any]:
        """The turn as chat templates and TRL take it."""
        turn: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.reasoning is not None:
            turn["reasoning_content"] = self.reasoning
        if self.tool_calls:
            turn["tool_calls"] = [
                {
                    "type": "function",
                    **({} if call.id is None else {"id": call.id}),
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in self.tool_calls
            ]
        if self.name is not None:
            turn["name"] = self.name
        if self.tool_call_id is not None:
            turn["tool_call_id"] = self.tool_call_id
        return turn


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row: turns whose last one is the assistant's. Every source format becomes this.
    `tools` are the JSON schemas of the functions that may be called."""

    messages: tuple[Message, ...]
    place: Place
    tools: tuple[dict[str, Any], ...] = ()

    def beginning(self, most: int) -> Example:
        """The row with at most `most` letters of each turn; itself when none has more."""
        if all(len(message.content) <= most for message in self.messages):
            return self
        cut = (msgspec.structs.replace(m, content=m.content[:most]) for m in self.messages)
        return msgspec.structs.replace(self, messages=tuple(cut))


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something found in the data. `severity`: "error" stops the run, "warn" and "info" do not.
    `count` rows are affected, `places` shows the first few and `examples` what stands there (safe
    to print), `fix` says what to do; `fixes` are the names of `data fix` that do it."""

    id: str
    severity: Severity
    message: str
    count: int
    places: tuple[Place, ...]
    fix: str
    examples: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()


class DataFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What planning needs to know of the data, measured on every row under the chosen tokenizer.

    Lengths are whole rows in tokens, after the chat template; `answer_*` those of the last answer.
    `train_tokens` and `trained_tokens` count one epoch: all, and those that carry loss.
    `rendering`: "chat" through the model's template, "plain" without one.
    `answers`: what the last answers are, so that they can be scored.
    `unused_fields`: fields of the training file that its format does not read, with their rows.
    """

    format: Format
    rows: int
    eval_rows: int
    train_tokens: int
    trained_tokens: int
    length_p50: int
    length_p95: int
    length_max: int
    answer_p95: int
    answer_max: int
    multi_turn_rows: int
    duplicate_rows: int
    rendering: Literal["chat", "plain"]
    answers: Literal["json", "short", "text"]
    template_sha256: str | None = None
    unused_fields: dict[str, int] = {}
