"""One turn a row, of conversations that an id holds together: as databases and help desks export
them. Each becomes a row, its turns in the order of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tunewright.engine.data.readers.block import RawRow, Wrong
from tunewright.hardware.errors import Problem

_IDS = (
    "conversation_id", "conv_id", "dialogue_id", "dialog_id", "session_id", "thread_id", "chat_id",
    "ticket_id", "conversation", "conversationId", "sessionId", "threadId", "chatId",
)  # fmt: skip
_ROLES = ("role", "sender", "speaker", "from")
_SAID = ("content", "text", "message", "value", "body", "utterance")
# Turns that may be held: those of a conversation can lie anywhere in the file.
_MOST = 2_000_000


def _names(value: dict[str, Any]) -> tuple[str, str, str] | None:
    found = [
        next((name for name in names if name in value and isinstance(value[name], kinds)), None)
        for names, kinds in ((_IDS, (str, int)), (_ROLES, (str,)), (_SAID, (str, type(None))))
    ]
    id, role, said = found
    if id is None or role is None or said is None:
        return None
    return id, role, said


def find(values: list[Any]) -> Callable[..., Iterator[RawRow]] | None:
    """How to join such turns; None when the records are none, or each has an id of its own."""
    names = _names(values[0])
    if names is None or any(_names(value) != names for value in values):
        return None
    ids = {str(value[names[0]]) for value in values}
    if len(values) > 1 and len(ids) == len(values):
        return None
    return lambda rows, line_of: _joined(rows, names)


def _joined(rows: Iterator[RawRow], names: tuple[str, str, str]) -> Iterator[RawRow]:
    """A row a conversation, at the line of its first turn, in the order of the first turns."""
    id, role, said = names
    number = count = 0
    held: dict[str, tuple[int, list[dict[str, Any]]]] = {}
    told = f"turns with one {id}"
    note = Wrong("row", told, "one conversation a row", "rows.nested")
    for raw in rows:
        value = raw.value
        if raw.wrong is not None or not isinstance(value, dict) or id not in value:
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
        turn = {"role": value.get(role), "content": value.get(said)}
        held.setdefault(str(value[id]), (raw.line, []))[1].append(turn)
    for key, (line, turns) in held.items():
        number += 1
        yield RawRow(line, {id: key, "messages": turns}, None, note, number)
