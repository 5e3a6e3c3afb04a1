"""One row as it is seen: its line in the list and what of it the box below shows. No Textual here,
so that a process of its own may look at a row of 50 MB."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from tunewright.engine.data.example import Example, Message, Place
from tunewright.engine.data.index import RawText
from tunewright.engine.data.previewed import sides_of
from tunewright.engine.data.readers.block import RawRow
from tunewright.engine.data.shapes.find import Finder, parse_row
from tunewright.engine.data.shapes.shape import Normal
from tunewright.engine.text import plain

# Letters of a row that a list needs.
_MOST = 400
# Letters that are kept of a turn, and of all turns, of a row that is looked at elsewhere.
MOST_LETTERS, _MOST_OF_ALL = 200_000, 1_000_000


class Seen(NamedTuple):
    """One row for the list and the box below it. `normal` None: `wrong` says why, or the row is
    still being read. `letters`: of the whole row, where `normal` holds a part of it."""

    place: Place
    normal: Normal | None
    wrong: str
    asked: str
    answered: str
    held: bool
    letters: int | None = None
    coming: bool = False

    def examples(self) -> list[tuple[str, Example]]:
        """(name, example) of what is trained of it; nothing for plain text and wrong rows."""
        if self.normal is None or self.normal.text is not None:
            return []
        return sides_of(self.normal, self.place)


def seen_of(place: Place, raw: RawRow, finder: Finder, held: bool) -> Seen:
    """A row as it was read."""
    if raw.wrong is not None:
        return Seen(place, None, f"found {raw.wrong.found}", "", "", held)
    parsed = parse_row(raw.value, finder.find(raw.value))
    if isinstance(parsed, list):
        said = f"{parsed[0].field}: found {parsed[0].found}; expected {parsed[0].expected}"
        return Seen(place, None, said, "", plain(str(raw.value)[:_MOST]), held)
    if parsed.text is not None:
        return Seen(place, parsed, "", "", plain(parsed.text[:_MOST]), held)
    asked = " ".join(m.content[:_MOST] for m in parsed.asked if m.role == "user")[:_MOST]
    answer = (parsed.answer or "")[:_MOST]
    if not answer and parsed.messages[-1].tool_calls:
        answer = ", ".join(f"{call.name}()" for call in parsed.messages[-1].tool_calls)
    return Seen(place, parsed, "", plain(asked), plain(answer), held)


def seen_elsewhere(text: RawText, file: str, asked: str, held: bool) -> Seen:
    """A long row, cut to what a screen shows. Runs in a process of its own."""
    raw = text.decoded()
    return beginning(seen_of(raw.place(file), raw, Finder(asked), held))


def beginning(seen: Seen) -> Seen:
    """The row with the beginnings of its turns; itself when it is short."""
    normal = seen.normal
    if normal is None:
        return seen
    if normal.text is not None:
        cut = normal._replace(text=normal.text[:MOST_LETTERS])
        return seen._replace(normal=cut, letters=len(normal.text))
    letters = sum(len(m.content) for m in (*normal.messages, *normal.chosen, *normal.rejected))
    return seen._replace(
        normal=normal._replace(
            messages=_turns(normal.messages),
            chosen=_turns(normal.chosen),
            rejected=_turns(normal.rejected),
            fields=(),
            tools=normal.tools if len(str(normal.tools)) < MOST_LETTERS else (),
        ),
        letters=letters,
    )


def _turns(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The first turns, cut; as many as all of them may have letters, and the last one."""
    kept: list[Message] = []
    room = _MOST_OF_ALL
    for message in messages:
        if room <= 0 and message is not messages[-1]:
            continue
        calls = message.tool_calls if len(str(message.tool_calls)) < MOST_LETTERS else ()
        reasoning = None if message.reasoning is None else message.reasoning[:MOST_LETTERS]
        content = message.content[:MOST_LETTERS]
        kept.append(
            msgspec.structs.replace(message, content=content, reasoning=reasoning, tool_calls=calls)
        )
        room -= len(content) + 100
    return tuple(kept)
