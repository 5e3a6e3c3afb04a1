"""A list of rows that are fetched by number when they come into sight: of any length."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import overload

from textual.geometry import Size

from tunewright.tui.widgets.rows import Row, Rows

# Rows that are kept once fetched: a few screens.
_KEPT = 400


class _Fetched(Sequence[Row]):
    """The rows of ascending `numbers`, each fetched when it is asked for."""

    def __init__(self, numbers: Sequence[int], fetch: Callable[[int], Row]) -> None:
        self.numbers = numbers
        self._fetch = fetch
        self._kept: OrderedDict[int, Row] = OrderedDict()

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | Sequence[Row]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        number = self.numbers[at]
        row = self._kept.get(number)
        if row is None:
            row = self._kept[number] = self._fetch(number)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return row

    def __iter__(self) -> Iterator[Row]:
        return (self[at] for at in range(len(self)))


class LongRows(Rows):
    """`Rows` by number. The key of a row is its number as text."""

    def show_numbers(self, numbers: Sequence[int], fetch: Callable[[int], Row]) -> None:
        """Show the rows of these ascending numbers; the cursor stays on its row if it is among
        them."""
        before = self.number
        self._rows = _Fetched(numbers, fetch)
        at = 0 if before is None else bisect_left(numbers, before)
        self._at = max(0, min(at, len(numbers) - 1))
        self.virtual_size = Size(self.size.width, len(numbers) + self._head())
        self.refresh()
        if self.number != before:
            self.call_after_refresh(self.scroll_to, y=max(0, self._at - 2), animate=False)
            self.post_message(self.Moved(self, self.key))

    @property
    def number(self) -> int | None:
        """The number of the row under the cursor."""
        rows = self._rows
        if not isinstance(rows, _Fetched) or not len(rows):
            return None
        return rows.numbers[self._at]

    @property
    def key(self) -> str | None:
        number = self.number
        return None if number is None else str(number)

    def select(self, key: str) -> None:
        rows = self._rows
        if isinstance(rows, _Fetched) and key.isdigit():
            self._to(bisect_left(rows.numbers, int(key)))
