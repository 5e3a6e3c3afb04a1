"""Exports of annotation tools: what was shown, and what somebody said of it. Label Studio (tasks
with annotations), Argilla (fields and responses)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tunewright.engine.data.example import Message
from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.shape import Names, Normal, Parsed, Shape, text_wrong, told

_SHOWN = ("data", "fields")
_SAID = ("annotations", "responses", "result", "completions")
_TEXTS = ("prompt", "instruction", "question", "text", "input", "content", "document", "message")


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    shown = next((name for name in _SHOWN if isinstance(row.get(name), dict)), None)
    said = next((name for name in _SAID if isinstance(row.get(name), (list, dict))), None)
    if shown is None or said is None:
        return None
    texts = [key for key, value in row[shown].items() if isinstance(value, str)]
    low = {key.lower(): key for key in texts}
    text = next(
        (low[name] for name in _TEXTS if name in low), texts[0] if len(texts) == 1 else None
    )
    if text is None:
        return None
    return {"text": f"{shown}.{text}", "annotations": said, "shown": shown}, 0.8


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    text_at, said_at = names["text"], names["annotations"]
    text = row.get(text_at)
    wrong = text_wrong(text, text_at)
    answers = list(_answers(row.get(said_at), said_at))
    spans = next((field for answer, field in answers if answer is None), None)
    if spans is not None:
        return [Wrong(spans, "marked places in a text", "a text or a class", "answer.missing")]
    if not answers:
        found = told(row.get(said_at))
        return [*wrong, Wrong(said_at, found, "an annotation with an answer", "answer.missing")]
    if wrong:
        return wrong
    answer, field = answers[0]
    messages = (Message("user", str(text)), Message("assistant", str(answer)))
    return Normal("conversation", messages, (text_at, field))


def _answers(value: Any, at: str) -> Iterator[tuple[str | None, str]]:
    """(answer, its field) of the first annotation that has one; None for places in the text."""
    if isinstance(value, dict):
        # Argilla: a list of responses a question, of each the first that was submitted.
        questions: list[_Said] = []
        for name, responses in value.items():
            for index, one in enumerate(responses if isinstance(responses, list) else ()):
                given = one.get("value") if isinstance(one, dict) else None
                if given is not None and one.get("status", "submitted") == "submitted":
                    told = _told(given, f"{at}.{name}[{index}].value")
                    questions += [_Said(*said, str(name), isinstance(given, str)) for said in told]
                    break
        yield from _together(questions, at)
        return
    for index, one in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(one, dict) or one.get("was_cancelled"):
            continue
        results = one.get("result", [one])
        found: list[_Said] = []
        for number, result in enumerate(results if isinstance(results, list) else ()):
            given = result.get("value") if isinstance(result, dict) else None
            within = f"{at}[{index}]" + (f".result[{number}]" if "result" in one else "")
            for said in _told(given, f"{within}.value"):
                name = str(result.get("from_name", "")) or f"{number + 1}"
                found.append(_Said(*said, name, result.get("type") == "textarea"))
        if found:
            yield from _together(found, f"{at}[{index}]")
            return


class _Said(NamedTuple):
    """One answer of somebody: to the question `asked`. `written`: in words, as far as the tool
    tells them from labels and numbers."""

    answer: str | None
    field: str
    asked: str
    written: bool


def _together(said: list[_Said], at: str) -> Iterator[tuple[str | None, str]]:
    """What is learned of the answers to several questions about one text: what was written, where
    there is something, since the rest judges; several of a kind each under its question."""
    written = [one for one in said if one.written]
    said = [one for one in said if one.answer is None] or written or said
    if len({one.asked for one in said}) < 2:
        yield from ((one.answer, one.field) for one in said[:1])
    elif said[0].answer is None:
        yield None, said[0].field
    else:
        yield "\n".join(f"{one.asked}: {one.answer}" for one in said), at


def _told(given: Any, at: str) -> Iterator[tuple[str | None, str]]:
    if isinstance(given, str):
        if given.strip():
            yield given, at
    elif isinstance(given, (bool, int, float)):
        yield str(given), at
    elif isinstance(given, list) and given and all(isinstance(one, str) for one in given):
        yield ", ".join(given), at
    elif isinstance(given, dict):
        if {"start", "end"} <= given.keys():
            yield None, at
            return
        for key in ("text", "choices", "rating", "number", "taxonomy", "value"):
            if key in given:
                yield from _told(given[key], f"{at}.{key}")
                return


SHAPE = Shape(
    name="annotated",
    kind="conversation",
    title="what was shown to annotators, and what they said",
    needs=("text", "annotations"),
    reads=("text", "annotations", "data", "fields", "responses"),
    turns=(),
    bind=_bind,
    parse=_parse,
)
