"""One turn a row, of conversations that an id holds together: as databases and help desks export
them. Each becomes a row, its turns in the order that a number or a time of theirs gives, else in
that of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from tunewright.engine.data.readers.block import RawRow, Wrong
from tunewright.engine.data.shapes.items import SPEAKERS
from tunewright.engine.data.shapes.turns import TURN
from tunewright.hardware.errors import Problem

_IDS = (
    "conversation_id", "conv_id", "dialogue_id", "dialog_id", "session_id", "thread_id", "chat_id",
    "ticket_id", "conversation", "conversationId", "sessionId", "threadId", "chatId",
)  # fmt: skip
_SAID = ("content", "text", "message", "value", "body", "utterance")
# What says which turn comes first: its number before its time, which may be that of an import.
_ORDERS = (
    "turn", "turn_index", "turn_idx", "turn_id", "turn_number", "turnIndex", "message_index",
    "utterance_idx", "index", "idx", "position", "order", "seq", "sequence", "step", "created_at",
    "createdAt", "created", "timestamp", "sent_at", "datetime", "time", "date",
)  # fmt: skip
# Turns a conversation, at the least, where the first records have an id each: all questions may
# come before all answers, and a number of anything else may come twice.
_FEWEST = 1.5
# Turns that may be held: those of a conversation can lie anywhere in the file.
_MOST = 2_000_000


def _names(value: dict[str, Any]) -> tuple[str, str, str] | None:
    found = [
        next((name for name in names if name in value and isinstance(value[name], kinds)), None)
        for names, kinds in ((_IDS, (str, int)), (SPEAKERS, (str,)), (_SAID, (str, type(None))))
    ]
    id, role, said = found
    if id is None or role is None or said is None:
        return None
    return id, role, said


def find(values: list[Any]) -> Callable[..., Iterator[RawRow]] | None:
    """How to join such turns; None when the records are none."""
    names = _names(values[0])
    if names is None or any(_names(value) != names for value in values):
        return None
    orders = tuple(name for name in _ORDERS if all(name in value for value in values))
    ids = {str(value[names[0]]) for value in values}
    fewest = _FEWEST if len(ids) == len(values) > 1 else 0.0
    return lambda rows, line_of: _joined(rows, names, orders, fewest)


def _joined(
    rows: Iterator[RawRow], names: tuple[str, str, str], orders: Sequence[str], fewest: float
) -> Iterator[RawRow]:
    """A row a conversation, at the line of its first turn, in the order of the first turns; the
    records as they are where they come to fewer turns a conversation."""
    id = names[0]
    number = count = 0
    held: dict[str, list[RawRow]] = {}
    for raw in rows:
        value = raw.value
        if raw.wrong is not None or not isinstance(value, dict) or value.get(id) in (None, ""):
            number += 1
            yield raw._replace(row=number)
            continue
        count += 1
        if count > _MOST:
            raise Problem(
                f"over {_MOST:,} turns are to be joined by their {id}",
                why="they are held in memory until the last one has been read",
                cure="join them beforehand: one conversation a row",
            )
        held.setdefault(str(value[id]), []).append(raw)
    if count < fewest * len(held):
        alone = (raw for turns in held.values() for raw in turns)
        for raw in sorted(alone, key=lambda raw: raw.number):
            number += 1
            yield raw._replace(row=number)
        return
    for key, turns in held.items():
        number += 1
        yield RawRow(turns[0].line, *_conversation(key, turns, names, orders), number)


def _conversation(
    key: str, turns: Sequence[RawRow], names: tuple[str, str, str], orders: Sequence[str]
) -> tuple[dict[str, Any], None, Wrong]:
    """One row of turns, whole but for what is the same in all of them and no part of a turn, which
    is the row's; and the note on it."""
    id, role, said = names
    values = [raw.value for raw in turns]
    order, values = _ordered(values, orders)
    first = values[0]
    common = {
        name: first[name]
        for name in first
        if name not in (*names, order, *TURN)
        and all(value.get(name) == first[name] for value in values)
    }
    passed = {id, role, said, *common, order}
    messages = [
        {"role": value.get(role), "content": value.get(said)}
        | {name: v for name, v in value.items() if name not in passed and v not in (None, "")}
        for value in values
    ]
    told = f"turns with one {id}, in the order of {order or 'the file'}"
    note = Wrong("row", told, "one conversation a row", "rows.nested")
    return {id: key, **common, "messages": messages}, None, note


def _ordered(
    values: list[dict[str, Any]], orders: Sequence[str]
) -> tuple[str | None, list[dict[str, Any]]]:
    """(the field that says the order, the turns in it): the one that tells most turns apart, of
    several the first; None, and as they were, where none does."""
    best: tuple[int, str, list[Any]] | None = None
    for order in orders:
        places: list[Any] = [_place(value.get(order)) for value in values]
        apart = len(set(places))
        if {type(place) for place in places} not in ({float}, {datetime}) or apart < 2:
            continue
        if best is None or apart > best[0]:
            best = (apart, order, places)
    if best is None:
        return None, values
    _, order, places = best
    return order, [values[at] for at in sorted(range(len(values)), key=lambda at: places[at])]


def _place(value: Any) -> float | datetime | None:
    """A turn's number or its time, which say what comes before what; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    else:
        return number if isfinite(number) else None
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
