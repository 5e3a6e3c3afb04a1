"""One message a row, of trees that are joined by their parents: Open Assistant's flat files. Of
each tree the best path becomes a row: from the first message on the reply that is ranked best."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tunewright.engine.data.readers.block import RawRow, Wrong
from tunewright.engine.data.shapes.messages import by_rank
from tunewright.hardware.errors import Problem

_NEEDED = {"message_id", "parent_id", "role", "text"}
# Messages that may be held: their trees can lie anywhere in the file.
_MOST = 2_000_000


def find(values: list[Any]) -> Callable[..., Iterator[RawRow]] | None:
    """How to join such messages; None when the records are none."""
    return _joined if all(value.keys() >= _NEEDED for value in values) else None


def _joined(rows: Iterator[RawRow], line_of: Callable[[Any], int | None]) -> Iterator[RawRow]:
    """A row a tree, at the line of its first message. A message whose parent is not in the file
    begins a tree of its own."""
    number = 0
    known: dict[str, RawRow] = {}
    for raw in rows:
        value = raw.value
        if raw.wrong is not None or not isinstance(value, dict) or "message_id" not in value:
            number += 1
            yield raw._replace(row=number)
            continue
        if len(known) >= _MOST:
            raise Problem(
                f"over {_MOST:,} messages are to be joined by their parents",
                why="they are held in memory until the last one has been read",
                cure="join them beforehand: one conversation a row",
            )
        known[str(value["message_id"])] = raw
    replies: dict[str, list[str]] = {}
    roots: list[str] = []
    for id, raw in known.items():
        parent = str(raw.value.get("parent_id"))
        if parent in known and parent != id:
            replies.setdefault(parent, []).append(id)
        else:
            roots.append(id)
    reached: set[str] = set()
    for root in roots:
        number += 1
        under = [root]
        while under:
            id = under.pop()
            reached.add(id)
            under += replies.get(id, ())
        yield _tree(root, known, replies, number)
    for id, raw in known.items():
        if id not in reached:
            number += 1
            wrong = Wrong("parent_id", "replies in a circle", "a first message", "shape.other")
            yield RawRow(raw.line, None, wrong, None, number)


def _tree(
    root: str, known: dict[str, RawRow], replies: dict[str, list[str]], number: int
) -> RawRow:
    path = [root]
    while answers := [id for id in replies.get(path[-1], ()) if not known[id].value.get("deleted")]:
        path.append(min(enumerate(answers), key=lambda it: by_rank(it[0], known[it[1]].value))[1])
    turns = [known[id].value for id in path]
    while len(turns) > 1 and turns[-1].get("role") != "assistant":
        turns.pop()
    first = known[root]
    about = {name: first.value[name] for name in ("message_tree_id", "lang") if name in first.value}
    said = [{"role": turn.get("role"), "text": turn.get("text")} for turn in turns]
    note = Wrong("row", "the best replies of a tree of messages", "one row a record", "rows.nested")
    return RawRow(first.line, {**about, "messages": said}, None, note, number)
