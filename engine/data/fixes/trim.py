"""trim: take away white space around texts, control characters, or turns that lead nowhere."""

from __future__ import annotations

import re
from typing import Any

from tunewright.engine.data.checks.encoding import CONTROL, INVISIBLE
from tunewright.engine.data.fixes.fix import Applied, Before, Change, Dropped, Fix, Row
from tunewright.engine.data.fixes.texts import map_texts
from tunewright.engine.data.shapes.calls import CALLS
from tunewright.engine.data.shapes.items import as_turns, speaker_key
from tunewright.engine.data.shapes.turns import listed, role_of, said_key
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


def turn_fields(row: Row) -> list[str]:
    """The fields of a row that its shape takes for turns."""
    bound = row.looked.bound
    if bound is None:
        return []
    return list(dict.fromkeys(bound.names.get(name, name) for name in bound.shape.turns))


def _turns(row: Row, before: Before) -> tuple[Any, list[Change]] | Dropped:
    """Conversations that begin with an answer, have two turns of one speaker, or go on after the
    last answer."""
    bound, value = row.looked.bound, row.value
    changes: list[Change] = []
    if bound is None or not isinstance(value, dict):
        return value, changes
    value = dict(value)
    for field in turn_fields(row):
        turns = listed(value.get(field))
        if not isinstance(turns, list):
            continue
        turns = [turn for _, turn in as_turns(turns)]
        if not all(isinstance(turn, dict) and role_of(turn) for turn in turns):
            # Who speaks has to be known before anything can be left out.
            continue
        kept = _ordered(turns, ends=bound.shape.kind == "conversation")
        if kept != turns:
            changes.append(Change(field, f"{len(turns)} turns became {len(kept)}"))
            if not any(role_of(turn) == "assistant" for turn in kept):
                return Dropped("no answer is left")
            value[field] = kept
    return value, changes


def _ordered(turns: list[dict[str, Any]], ends: bool) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    for turn in turns:
        role = role_of(turn)
        before = role_of(kept[-1]) if kept else None
        if role == "assistant" and before in (None, "system"):
            continue
        if role == "system" and before not in (None, "system"):
            continue
        if role == "tool" and before not in ("assistant", "tool"):
            continue
        if ends and role == "user" and before == "tool":
            # Nobody answered the result: the conversation broke off there.
            break
        joined = _joined(kept[-1], turn) if role == before and role != "tool" and role else None
        if joined is not None:
            kept[-1] = joined
        else:
            kept.append(turn)
    while ends and kept and role_of(kept[-1]) != "assistant":
        kept.pop()
    return kept


def _joined(first: dict[str, Any], turn: dict[str, Any]) -> dict[str, Any] | None:
    """Two turns of one speaker as one; None where one of them is a call."""
    if any(
        one.get("tool_calls")
        or one.get("function_call")
        or str(one.get(speaker_key(one))).strip().lower() in CALLS
        for one in (first, turn)
    ):
        return None
    at, said = said_key(first), said_key(turn)
    if at is None or said is None:
        return None
    ours, theirs = first[at], turn[said]
    if isinstance(ours, str) and isinstance(theirs, str):
        return {**first, at: f"{ours}\n\n{theirs}"}
    if not isinstance(ours, (str, list)) or not isinstance(theirs, (str, list)):
        return None
    return {**first, at: [*_parts(ours), {"type": "text", "text": "\n\n"}, *_parts(theirs)]}


def _parts(said: str | list[Any]) -> list[Any]:
    return [{"type": "text", "text": said}] if isinstance(said, str) else said


FIX = Fix("trim", "trim[=space|control|turns]", "take away what is not wanted", _make)
