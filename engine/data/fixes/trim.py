"""trim: take away white space around texts, control characters, or turns that lead nowhere."""

from __future__ import annotations

import re
from typing import Any

from tunewright.engine.data.checks.encoding import CONTROL, INVISIBLE
from tunewright.engine.data.fixes.fix import Applied, Before, Change, Dropped, Fix, Row
from tunewright.engine.data.fixes.texts import map_texts
from tunewright.engine.data.shapes.calls import CALLS
from tunewright.engine.data.shapes.turns import ROLES
from tunewright.hardware.errors import Problem

# Colours and cursor moves of a terminal, whole: their letters alone would stay as rubbish.
_ESCAPE = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[@-Z\\\\-_])")


def _make(value: str) -> Applied:
    way = {"": _space, "space": _space, "control": _control}.get(value)
    if value == "turns":
        return _turns
    if way is None:
        raise Problem(
            f"trim={value} makes no sense",
            why="it takes space, control or turns",
            cure="--fix trim=control",
        )

    def apply(row: Row, before: Before) -> tuple[Any, list[Change]] | Dropped:
        changes: list[Change] = []

        def change(field: str, text: str) -> str:
            new = way(text)
            if new != text:
                changes.append(Change(field, f"{len(text) - len(new)} characters taken away"))
            return new

        return map_texts(row.value, row.looked, change), changes

    return apply


def _space(text: str) -> str:
    return text.strip()


def _control(text: str) -> str:
    return INVISIBLE.sub("", CONTROL.sub("", _ESCAPE.sub("", text)))


def _turns(row: Row, before: Before) -> tuple[Any, list[Change]] | Dropped:
    """Conversations that begin with an answer, have two turns of one speaker, or go on after the
    last answer."""
    bound, value = row.looked.bound, row.value
    changes: list[Change] = []
    if bound is None or not isinstance(value, dict):
        return value, changes
    value = dict(value)
    for field in {bound.names.get(name, name) for name in bound.shape.turns}:
        turns = value.get(field)
        if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
            continue
        kept = _ordered(turns, ends=bound.shape.kind == "conversation")
        if kept != turns:
            changes.append(Change(field, f"{len(turns)} turns became {len(kept)}"))
            if not any(_role(turn) == "assistant" for turn in kept):
                return Dropped("no answer is left")
            value[field] = kept
    return value, changes


def _role(turn: dict[str, Any]) -> str | None:
    raw = turn.get("role", turn.get("from"))
    low = raw.strip().lower() if isinstance(raw, str) else ""
    return "assistant" if low in CALLS else ROLES.get(low)


def _ordered(turns: list[dict[str, Any]], ends: bool) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    for turn in turns:
        role = _role(turn)
        before = _role(kept[-1]) if kept else None
        if role == "assistant" and before in (None, "system"):
            continue
        if role == "system" and kept:
            continue
        said = next((key for key in ("content", "value") if isinstance(turn.get(key), str)), None)
        joined = (
            said is not None
            and role == before
            and role in ("user", "assistant")
            and isinstance(kept[-1].get(said), str)
            and not {"tool_calls", "function_call"} & (turn.keys() | kept[-1].keys())
            and str(turn.get("from", "")).lower() not in CALLS
            and str(kept[-1].get("from", "")).lower() not in CALLS
        )
        if joined and said is not None:
            kept[-1] = {**kept[-1], said: f"{kept[-1][said]}\n\n{turn[said]}"}
        else:
            kept.append(turn)
    while ends and kept and _role(kept[-1]) != "assistant":
        kept.pop()
    return kept


FIX = Fix("trim", "trim[=space|control|turns]", "take away what is not wanted", _make)
