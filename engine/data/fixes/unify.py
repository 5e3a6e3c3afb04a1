"""unify: write every row in the internal shape, which is TRL's: messages, or prompt, chosen and
rejected, or prompt, completion and label."""

from __future__ import annotations

from typing import Any

from tunewright.engine.data.fixes.fix import Applied, Before, Change, Dropped, Fix, Row
from tunewright.engine.data.shapes.find import Finder, parse_row
from tunewright.engine.data.shapes.shape import Normal
from tunewright.hardware.errors import Problem


def _make(value: str) -> Applied:
    if value:
        raise Problem(f"unify={value} makes no sense", why="it takes no value", cure="--fix unify")
    finder = Finder()

    def apply(row: Row, before: Before) -> tuple[Any, list[Change]] | Dropped:
        bound = row.looked.bound or finder.find(row.value)
        normal = parse_row(row.value, bound)
        if isinstance(normal, list):
            return row.value, []
        unified = as_trl(normal)
        same = unified == row.value
        return unified, [] if same else [Change("row", f"written as {' and '.join(unified)}")]

    return apply


def as_trl(normal: Normal) -> dict[str, Any]:
    """A row as TRL's trainers take it."""
    turns = [
        # In the words of OpenAI, which are read again.
        message.turn() | ({} if message.trained else {"weight": 0})
        for message in normal.messages
    ]
    row: dict[str, Any]
    if normal.kind == "text":
        row = {"text": normal.text}
    elif normal.kind == "preference":
        row = {
            "prompt": turns,
            "chosen": [message.turn() for message in normal.chosen],
            "rejected": [message.turn() for message in normal.rejected],
        }
    elif normal.kind == "labelled":
        row = {"prompt": turns[:-1], "completion": turns[-1:], "label": normal.label}
    elif normal.kind == "scored":
        row = {"prompt": turns[:-1], "completion": turns[-1:], "score": normal.score}
    else:
        row = {"messages": turns}
    if normal.tools:
        row["tools"] = list(normal.tools)
    return row


FIX = Fix("unify", "unify", "write all rows in one format, TRL's", _make)
