"""The one internal shape of a training row, and what is known of a whole data set."""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["system", "user", "assistant"]
Format = Literal["messages", "prompt_completion", "alpaca"]


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a row stands: file, line (1-based; for a JSON array the row number) and field."""

    file: str
    line: int
    field: str | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f":{self.field}" if self.field else "")


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One turn of a conversation, in the field names of the Hugging Face chat format."""

    role: Role
    content: str


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row: turns whose last one is the assistant's. Every source format becomes this."""

    messages: tuple[Message, ...]
    place: Place


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something found in the data. `severity`: "error" stops the run, "warn" and "info" do not.
    `count` rows are affected, `places` shows the first few, `fix` says what to do."""

    id: str
    severity: Literal["error", "warn", "info"]
    message: str
    count: int
    places: tuple[Place, ...]
    fix: str


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
