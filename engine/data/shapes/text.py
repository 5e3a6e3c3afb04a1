"""Plain text: documents without turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.shapes.shape import Names, Normal, Parsed, Shape, alias, text_wrong

_NAMES = ("text", "content", "document", "body", "article", "code")


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    name = alias(row, _NAMES, (str, type(None)))
    if name is None:
        return None
    if alias(row, ("label", "labels"), (int, str, list)) is not None:
        # Most likely made for classification, and the label says more than the text.
        return {"text": name}, 0.5
    return {"text": name}, 1.0 if name == "text" else 0.8


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    text = row.get(names["text"])
    return text_wrong(text, names["text"]) or Normal("text", text=text, fields=(names["text"],))


SHAPE = Shape(
    name="text",
    kind="text",
    title="plain text",
    needs=("text",),
    reads=("text",),
    turns=(),
    bind=_bind,
    parse=_parse,
)
