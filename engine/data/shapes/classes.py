"""Classification: one text or two, and the class, as its name or as a number."""

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

_TEXTS = (
    "text", "sentence", "review", "content", "comment", "tweet", "utterance", "message",
    "review_body", "email", "headline", "title", "question",
)  # fmt: skip
_PAIRS = (
    ("premise", "hypothesis"), ("sentence1", "sentence2"), ("question1", "question2"),
    ("text1", "text2"), ("question", "sentence"), ("question", "passage"), ("claim", "evidence"),
)  # fmt: skip
# As a name first, where a row has both.
_LABELS = (
    "label_text", "label_name", "label", "intent", "sentiment", "emotion", "labels",
    "coarse_label", "gold_label",
)  # fmt: skip
# In rows of many fields these say what a document is about.
_ABOUT = ("class", "category", "topic", "stars")
_FEW = 3


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    labels = (*_LABELS, *_ABOUT) if len(row) <= _FEW else _LABELS
    label = alias(row, labels, (str, int, list))
    if label is None:
        # Argilla writes what several people have said into one column a question.
        label = next((str(key) for key in row if str(key).endswith(".responses")), None)
    if label is None or not _is_class(row[label]):
        return None
    sure = 0.6 if isinstance(row[label], str) else 0.5
    for first, second in _PAIRS:
        if isinstance(row.get(first), str) and isinstance(row.get(second), str):
            return {"text": first, "second": second, "label": label}, sure
    text = alias(row, _TEXTS, (str,))
    # A text and its class, unless somebody says that the text alone counts.
    return None if text is None else ({"text": text, "label": label}, sure)


def _is_class(value: Any) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, (str, int)) or (isinstance(first, dict) and "value" in first)


def _of_many(labels: list[Any]) -> str | None:
    """All names of several classes; the first of what several people have said."""
    if labels and isinstance(labels[0], dict):
        given = (one.get("value") for one in labels if isinstance(one, dict))
        return next((str(value) for value in given if isinstance(value, (str, int))), None)
    return ", ".join(map(str, labels)) or None


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    at = names["label"]
    label, numbered = row.get(at), False
    if isinstance(label, list):
        label = _of_many(label)
    if isinstance(label, (bool, int)):
        # -1 is what benchmarks write where the class is kept back.
        label, numbered = (None if label < 0 else str(label).lower()), True
    texts = [(names[key], row.get(names[key])) for key in ("text", "second") if key in names]
    wrong = [one for field, text in texts for one in text_wrong(text, field)]
    if not isinstance(label, str) or not label.strip():
        expected = "a class" if numbered else "the name of a class"
        wrong.append(Wrong(at, told(row.get(at)), expected, "label.missing"))
    if wrong or not isinstance(label, str):
        return wrong
    if len(texts) == 1:
        user = str(texts[0][1])
    else:
        user = "\n".join(f"{field}: {text}" for field, text in texts)
    messages = (Message("user", user), Message("assistant", label))
    return Normal("conversation", messages, (texts[0][0], at))


SHAPE = Shape(
    name="classes",
    kind="conversation",
    title="a text and its class",
    needs=("text", "label"),
    reads=("text", "second", "label"),
    turns=(),
    bind=_bind,
    parse=_parse,
    otherwise=lambda names: f"the text alone: --format text:text={names['text']}",
)
