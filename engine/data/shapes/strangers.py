"""Rows that are known and are no examples of text to learn: what they are, and what could be made
of them. Nothing of them is guessed at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Stranger(NamedTuple):
    """`sees` looks at keys and types alone, as `Shape.bind` does."""

    what: str
    cure: str
    sees: Callable[[Mapping[str, Any]], bool]


_TAGS = ("ner_tags", "tags", "pos_tags", "chunk_tags", "labels", "ner", "bio_tags")
_WORDS = ("tokens", "words")
_ANSWERED = ("answer", "response", "output", "completion", "summary", "messages", "conversations")
_SPANS = ("entities", "spans", "ents")
_PIXELS = ("image", "images", "img", "video", "audio", "speech", "pixel_values", "image_path")
_SAYING = ("messages", "conversations", "conversation", "text", "prompt", "question", "texts")


def _list_of(row: Mapping[str, Any], names: tuple[str, ...], kinds: tuple[type, ...]) -> bool:
    return any(
        isinstance(row.get(name), list) and row[name] and isinstance(row[name][0], kinds)
        for name in names
    )


def _is_triplet(row: Mapping[str, Any]) -> bool:
    if "positive" in row:
        return any(name in row for name in ("anchor", "query", "negative"))
    return all(name in row for name in ("query", "pos", "neg"))


def _is_marked(row: Mapping[str, Any]) -> bool:
    if any(name in row for name in _ANSWERED):
        return False
    for name in (*_SPANS, "label", "labels"):
        marks = row.get(name)
        first = marks[0] if isinstance(marks, list) and marks else None
        if isinstance(first, list) or (isinstance(first, dict) and "start" in first):
            return True
    return False


def _is_chat_log(row: Mapping[str, Any]) -> bool:
    """Slack's messages, one a row; Discord's, Telegram's and Teams' in a list."""
    if {"ts", "text"} <= row.keys() and ("user" in row or row.get("type") == "message"):
        return True
    if {"author", "content", "timestamp"} <= row.keys() and isinstance(row["author"], dict):
        return True
    if {"from", "from_id", "date", "text"} <= row.keys():
        return True
    turns = row.get("messages")
    first = turns[0] if isinstance(turns, list) and turns else None
    return (
        isinstance(first, dict)
        and "role" not in first
        and (
            (
                "author" in first
                and isinstance(first["author"], dict)
                and "role" not in first["author"]
            )
            or {"user", "ts"} <= first.keys()
            or {"from_id", "date"} <= first.keys()
            or {"sender_name", "timestamp_ms"} <= first.keys()
        )
    )


def _is_segments(row: Mapping[str, Any]) -> bool:
    """axolotl's rows of parts with a mask, for templates of one's own."""
    parts = row.get("segments")
    first = parts[0] if isinstance(parts, list) and parts else None
    return isinstance(first, dict) and "text" in first and isinstance(first.get("label"), bool)


def _is_benchmark(row: Mapping[str, Any]) -> bool:
    """MT-Bench's questions, the later ones about the answer to the first; some have answers to
    compare with."""
    if _list_of(row, ("turns",), (str,)) and ("question_id" in row or "reference" in row):
        return True
    return _list_of(row, ("prompt",), (str,)) and _list_of(row, ("reference",), (str,))


def _is_intercom(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("conversation_parts"), dict) and isinstance(row.get("source"), dict)


def _is_batch_result(row: Mapping[str, Any]) -> bool:
    """OpenAI's: what was asked stands in the file of the requests, under the same custom_id."""
    return (
        "custom_id" in row
        and isinstance(row.get("response"), dict)
        and not any(name in row for name in ("body", "request", "messages", "prompt", "input"))
    )


STRANGERS = (
    Stranger(
        "results of a batch, without what was asked",
        "the messages of each request and the message of its result in one row: join the two files "
        "by custom_id",
        _is_batch_result,
    ),
    Stranger(
        "a conversation of Intercom, where the customer is the user",
        'its source and the comments of its conversation_parts as turns: {"messages": [{"role": '
        '"user", …}, {"role": "assistant", …}]}, with those of an admin as the assistant\'s',
        _is_intercom,
    ),
    Stranger(
        "questions of a benchmark, asked one after the other",
        'the questions with their answers by turns: {"messages": [{"role": "user", …}, '
        '{"role": "assistant", …}, …]}; and what a model is measured with is not trained on',
        _is_benchmark,
    ),
    Stranger(
        "parts of a text, of which some are to be learned",
        'a prompt and its completion, {"prompt": …, "completion": …}: the parts whose label is '
        "true are the completion; leave out what a template sets, Tunewright sets the model's own",
        _is_segments,
    ),
    Stranger(
        "one message of a tree",
        "a conversation a row: join the messages of a tree by parent_id",
        lambda row: {"role", "parent_id"} <= row.keys(),
    ),
    Stranger(
        "one turn, and nothing that says of which conversation",
        "a field that holds a conversation together, such as conversation_id, or a conversation a "
        'row: {"messages": […]}',
        lambda row: isinstance(row.get("role"), str) and ("content" in row or "text" in row),
    ),
    Stranger(
        "tokens that are already numbered",
        "the texts that they were made of: Tunewright makes the tokens, with the model's own "
        "tokenizer and template",
        lambda row: _list_of(row, ("input_ids",), (int,)),
    ),
    Stranger(
        "words with a tag each",
        "a text as the prompt, and what is to be found in it as the completion, e.g. as JSON: a "
        "model that writes cannot learn a tag a word",
        lambda row: _list_of(row, _WORDS, (str,)) and _list_of(row, _TAGS, (int, str)),
    ),
    Stranger(
        "marked places in a text",
        "a text as the prompt, and what is to be found in it as the completion, e.g. as JSON",
        lambda row: isinstance(row.get("text"), str) and _is_marked(row),
    ),
    Stranger(
        "a message of a chat log, where nobody is the assistant",
        'a conversation a row, {"messages": [{"role": "user", …}, {"role": "assistant", …}]}, '
        "with the turns of who is to be learned from as the assistant's",
        _is_chat_log,
    ),
    Stranger(
        "pictures or sound without a text to learn",
        "rows of text: Tunewright tunes models that read and write text alone",
        lambda row: (
            any(name in row for name in _PIXELS)
            and not any(name in row for name in _SAYING)
            and not any(isinstance(value, str) and key not in _PIXELS for key, value in row.items())
        ),
    ),
    Stranger(
        "texts that fit one another and texts that do not",
        "a question with its answer, or an answer that is better and one that is worse: these rows "
        "train models that embed, not models that write",
        _is_triplet,
    ),
    Stranger(
        "numbers alone",
        "rows with a text to learn from, and its answer",
        lambda row: len(row) > 1 and all(isinstance(value, (int, float)) for value in row.values()),
    ),
)


def known(row: Mapping[str, Any]) -> Stranger | None:
    """What such a row is, if it is one of these."""
    return next((stranger for stranger in STRANGERS if stranger.sees(row)), None)
