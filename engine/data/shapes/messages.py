"""messages: turns with role and content, as OpenAI and TRL have them, and as other tools do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.shapes.conversation import beside, parse_conversation, with_system
from tunewright.engine.data.shapes.items import ROLE_KEYS, speaker_key
from tunewright.engine.data.shapes.shape import Names, Normal, Parsed, Shape
from tunewright.engine.data.shapes.turns import is_pair, role_of

_NAMES = (
    "messages", "conversation", "conversations", "chat", "dialog", "dialogue", "turns", "contents",
    "data", "chat_history", "chat_messages",
)  # fmt: skip


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    for name in _NAMES:
        if name not in row:
            continue
        names = {"messages": name, **beside(row)}
        turns = row[name]
        first = turns[0] if isinstance(turns, list) and turns else None
        if isinstance(first, str):
            # UltraChat: texts of the user and the assistant by turns, as nothing else says.
            return names, 0.7
        if name == "messages":
            return names, 1.0
        if isinstance(turns, dict) and isinstance(turns.get("role"), list):
            return names, 0.9
        if isinstance(first, dict) and (
            set(ROLE_KEYS) & first.keys()
            or is_pair(first)
            # Parts of a document have a type too.
            or (speaker_key(first) == "type" and (name != "data" or role_of(first)))
        ):
            return names, 0.9
    tree = row.get("prompt")
    if isinstance(tree, dict) and isinstance(tree.get("replies"), list):
        return {"messages": "prompt"}, 0.8
    return None


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    turns = row.get(names["messages"])
    if isinstance(turns, dict) and isinstance(turns.get("replies"), list):
        return _best_path(turns, names["messages"])
    return parse_conversation(row, names, "messages")


def _best_path(turn: Mapping[str, Any], field: str) -> Parsed:
    """Open Assistant's trees: from the prompt on always the reply that is ranked best, as far as
    the last answer. The other replies are not read."""
    turns: list[Any] = []
    fields: list[str] = []
    while True:
        turns.append(turn)
        fields.append(field)
        replies = [
            (at, reply)
            for at, reply in enumerate(turn.get("replies") or ())
            if isinstance(reply, dict) and not reply.get("deleted")
        ]
        if not replies:
            break
        at, turn = min(replies, key=lambda numbered: by_rank(*numbered))
        field = f"{field}.replies[{at}]"
    while len(turns) > 1 and turns[-1].get("role") != "assistant":
        turns.pop()
    parsed = with_system({}, {}, turns, "prompt", "assistant")
    if isinstance(parsed, list):
        return parsed
    told = tuple(f"{field}.text" for field in fields[: len(turns)])
    return Normal("conversation", parsed.messages, told)


def by_rank(at: int, reply: Mapping[str, Any]) -> tuple[float, int]:
    """The order of replies: the best ranked first, then as they stand."""
    rank = reply.get("rank")
    return (float(rank) if isinstance(rank, (int, float)) else float("inf"), at)


SHAPE = Shape(
    name="messages",
    kind="conversation",
    title="turns with role and content",
    needs=("messages",),
    reads=("messages", "tools", "functions", "system"),
    turns=("messages",),
    bind=_bind,
    parse=_parse,
)
