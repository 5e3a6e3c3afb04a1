"""Translation: the same text in two languages, under their codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tunewright.engine.data.example import Message
from tunewright.engine.data.shapes import classes, prompt_completion
from tunewright.engine.data.shapes.languages import is_clear, is_language, may_be_code
from tunewright.engine.data.shapes.shape import Names, Normal, Parsed, Shape, alias, text_wrong

_MOST_COLUMNS = 6


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    inner = row.get("translation")
    if isinstance(inner, dict):
        codes = _columns(inner, may_be_code)
        if len(codes) >= 2:
            return {
                "source": f"translation.{codes[0]}",
                "target": f"translation.{codes[1]}",
            }, 0.7 if len(codes) == 2 else 0.5
    if len(row) > _MOST_COLUMNS:
        return None
    codes = _columns(row, is_language)
    if len(codes) != 2 or not any(map(is_clear, codes)) or _says_more(row):
        return None
    return {"source": codes[0], "target": codes[1]}, 0.6


def _columns(row: Mapping[str, Any], wanted: Callable[[str], bool]) -> list[str]:
    return [str(key) for key, value in row.items() if isinstance(value, str) and wanted(str(key))]


def _says_more(row: Mapping[str, Any]) -> bool:
    """Whether a row has what is learned from under names that say so; what has short names beside
    it tells of where it comes from."""
    return (
        alias(row, ("text",), (str,)) is not None
        or prompt_completion.SHAPE.bind(row) is not None
        or classes.SHAPE.bind(row) is not None
    )


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    source_at, target_at = names["source"], names["target"]
    source, target = row.get(source_at), row.get(target_at)
    wrong = [
        *text_wrong(source, source_at),
        *text_wrong(target, target_at, "text", "answer.empty"),
    ]
    if wrong:
        return wrong
    messages = (Message("user", str(source)), Message("assistant", str(target)))
    return Normal("conversation", messages, (source_at, target_at))


SHAPE = Shape(
    name="translation",
    kind="conversation",
    title="a text and its translation",
    needs=("source", "target"),
    reads=("source", "target", "translation"),
    turns=(),
    bind=_bind,
    parse=_parse,
    otherwise=lambda names: (
        "the other way: --format translation:source={target},target={source}".format(**names)
    ),
)
