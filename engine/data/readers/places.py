"""On which lines the objects within a value of a JSON document begin."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

# Texts are passed over, so that a brace in one is none; without going back, which would remember
# every escape of a long one.
_BRACE = re.compile(r'"(?:[^"\\]++|\\.)*+"|\{', re.DOTALL)
# So many objects of one value are told apart by their lines.
_MOST_OBJECTS = 2_000_000


class Places:
    """The lines of the objects within one value of a document."""

    def __init__(self) -> None:
        self._value: Any = None
        self._line = 1
        self._text: Callable[[], str] = str
        self._lines: dict[int, int] | None = {}
        # Characters of the rows that are held.
        self.taken = 0

    def look_at(self, value: Any, line: int, text: Callable[[], str], size: int) -> None:
        """`text` gives the value as it is written, as long as no other one is looked at."""
        self._value, self._line, self._text, self._lines = value, line, text, None
        self.taken += size

    def line_of(self, inner: Any) -> int | None:
        """The line on which an object of the value begins; None where it cannot be told."""
        if self._lines is None:
            self._lines = self._counted()
        return self._lines.get(id(inner))

    def _counted(self) -> dict[int, int]:
        text = self._text()
        lines: list[int] = []
        line, at = self._line, 0
        for brace in _BRACE.finditer(text):
            if brace[0] == "{":
                line += text.count("\n", at, brace.start())
                at = brace.start()
                lines.append(line)
                if len(lines) > _MOST_OBJECTS:
                    return {}
        ids: list[int] = []
        waiting = [self._value]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                ids.append(id(value))
                waiting += reversed(value.values())
            elif isinstance(value, list):
                waiting += reversed(value)
        # A key that stands twice in an object has hidden what it held first.
        return dict(zip(ids, lines, strict=True)) if len(ids) == len(lines) else {}
