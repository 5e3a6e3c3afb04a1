"""KTO: an answer with a label, good or bad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.judged import bind_judged, parse_judged
from tunewright.engine.data.shapes.shape import Names, Parsed, Shape, told

LABELS = ("label", "kto_tag", "desirable", "is_desirable", "thumbs_up")
_WORDS = {"true": True, "false": False, "1": True, "0": False, "good": True, "bad": False}
_WORDS |= {"desirable": True, "undesirable": False}


def is_label(value: Any) -> bool:
    """Whether a value says good or bad."""
    return isinstance(value, bool) or str(value).strip().lower() in _WORDS


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    for name in LABELS:
        if isinstance(row.get(name), bool) or (name != "label" and name in row):
            return bind_judged(row, "label", name)
    if is_label(row.get("label")) and "prompt" in row and "completion" in row:
        # A table's text or a number: no other set is made of these three names.
        bound = bind_judged(row, "label", "label")
        return None if bound is None else (bound[0], 0.8)
    return None


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    at = names["label"]
    value = row.get(at)
    label = _WORDS.get(str(value).strip().lower()) if value is not None else None
    if label is None:
        return [Wrong(at, told(value), "true or false", "label.missing")]
    normal = parse_judged(row, names)
    return normal if isinstance(normal, list) else normal._replace(kind="labelled", label=label)


SHAPE = Shape(
    name="kto",
    kind="labelled",
    title="an answer and whether it is good",
    needs=("prompt", "completion", "label"),
    reads=("prompt", "completion", "messages", "conversations", "label", "system", "tools"),
    turns=("messages", "prompt", "completion", "conversations"),
    bind=_bind,
    parse=_parse,
)
