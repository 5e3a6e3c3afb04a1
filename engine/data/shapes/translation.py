"""Translation: the same text in two languages, under their codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.example import Message
from tunewright.engine.data.shapes.shape import Names, Normal, Parsed, Shape, text_wrong

_CODE = re.compile(
    r"[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?|(?i:english|german|french|spanish|italian|portuguese|dutch"
    r"|polish|russian|ukrainian|czech|turkish|arabic|hebrew|persian|hindi|bengali|urdu|tamil|chinese"
    r"|japanese|korean|vietnamese|thai|indonesian|swahili|greek|swedish|finnish|norwegian|danish"
    r"|hungarian|romanian|bulgarian|catalan)"
)
# Words of two or three letters that name no language in a table.
_NO_CODE = {
    "id",
    "url",
    "uid",
    "idx",
    "key",
    "raw",
    "src",
    "tgt",
    "gpt",
    "bot",
    "sql",
    "cot",
    "tag",
}


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    inner = row.get("translation")
    if isinstance(inner, dict):
        codes = _codes(inner)
        if len(codes) >= 2:
            return {
                "source": f"translation.{codes[0]}",
                "target": f"translation.{codes[1]}",
            }, 0.7 if len(codes) == 2 else 0.5
    codes = _codes(row)
    if len(codes) == 2 and len(row) <= 6:
        return {"source": codes[0], "target": codes[1]}, 0.6
    return None


def _codes(row: Mapping[str, Any]) -> list[str]:
    return [
        str(key)
        for key, value in row.items()
        if isinstance(value, str) and _CODE.fullmatch(str(key)) and str(key) not in _NO_CODE
    ]


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
