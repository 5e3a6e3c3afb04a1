"""Where many rows stand, 8 bytes each: a place by the row's number, a number by the place."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

from tunewright.engine.data.example import Place


class Places:
    """Places in the order in which files are read: lines and rows of a file only go up."""

    def __init__(self) -> None:
        self._lines = array("I")
        # 0: the line tells the row.
        self._rows = array("I")
        self._files: list[str] = []
        # The number of the first row of each file.
        self._firsts = array("Q")

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, place: Place) -> None:
        if not self._files or self._files[-1] != place.file:
            self._files.append(place.file)
            self._firsts.append(len(self))
        self._lines.append(place.line)
        self._rows.append(place.row or 0)

    def __getitem__(self, number: int) -> Place:
        at = bisect_right(self._firsts, number) - 1
        return Place(self._files[at], self._lines[number], row=self._rows[number] or None)

    def number(self, place: Place) -> int | None:
        """The number of the row that stands there."""
        where = self._lines if place.row is None else self._rows
        wanted = place.line if place.row is None else place.row
        for at, name in enumerate(self._files):
            if name != place.file:
                continue
            first = self._firsts[at]
            end = self._firsts[at + 1] if at + 1 < len(self._files) else len(self)
            found = bisect_left(where, wanted, first, end)
            if found < end and where[found] == wanted:
                return found
        return None


class SomePlaces:
    """The places with these `numbers`, which ascend (None: all)."""

    def __init__(self, places: Places, numbers: array[int] | None) -> None:
        self._places, self._numbers = places, numbers

    def __len__(self) -> int:
        return len(self._places if self._numbers is None else self._numbers)

    def find(self, place: Place) -> int | None:
        """Which one of these it is; None when it is not among them."""
        number = self._places.number(place)
        if number is None or self._numbers is None:
            return number
        at = bisect_left(self._numbers, number)
        return at if at < len(self._numbers) and self._numbers[at] == number else None
