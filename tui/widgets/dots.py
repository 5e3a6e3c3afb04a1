"""A layer of dots behind a grid of cells: 2 x 4 to a cell in braille, one in ASCII."""

from __future__ import annotations

from collections.abc import Callable, Iterator

# Bits of a cell's dots by column and row.
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_ALL = tuple(sum(column) for column in _BITS)
# Every second dot, as on a chessboard.
_SPARSE = (_BITS[0][1] | _BITS[0][3], _BITS[1][0] | _BITS[1][2])
# Dots from a row downwards, and up to a row, by column.
_FROM = tuple(tuple(sum(column[y:]) for y in range(4)) for column in _BITS)
_UP_TO = tuple(tuple(sum(column[: y + 1]) for y in range(4)) for column in _BITS)


class Dots:
    """`width` x `height` dots; rows count from the top. Nothing outside of it may be set."""

    def __init__(self, columns: int, rows: int, ascii: bool) -> None:
        self.ascii = ascii
        self.across, self.down = (1, 1) if ascii else (2, 4)
        self.width, self.height = columns * self.across, rows * self.down
        self._cells = [[0] * columns for _ in range(rows)]

    def column(self, x: int, top: int, bottom: int, sparse: bool = False) -> None:
        """Set the dots of a column from `top` to `bottom` (both included), or every second."""
        cells = self._cells
        if self.ascii:
            for y in range(top, bottom + 1):
                cells[y][x] = 1
            return
        at, side = divmod(x, 2)
        pattern = _SPARSE[side] if sparse else _ALL[side]
        first, last = top // 4, bottom // 4
        if first == last:
            cells[first][at] |= pattern & _FROM[side][top % 4] & _UP_TO[side][bottom % 4]
        else:
            cells[first][at] |= pattern & _FROM[side][top % 4]
            for y in range(first + 1, last):
                cells[y][at] |= pattern
            cells[last][at] |= pattern & _UP_TO[side][bottom % 4]
        if sparse:
            # The ends always: they are the lowest and the highest value.
            cells[first][at] |= _BITS[side][top % 4]
            cells[last][at] |= _BITS[side][bottom % 4]

    def line(
        self, points: list[tuple[int, int]], broken: Callable[[int, int], bool], thick: bool
    ) -> None:
        """Join (x, y) points of rising x without a break, but where `broken(x, next x)`.

        Points above or below the layer break the line too. Two dots thick or one.
        """
        lowest = self.height - 1
        extra = 1 if thick else 0
        before: tuple[int, int] | None = None
        for x, y in points:
            if not 0 <= y <= lowest:
                before = None
                continue
            x0, y0 = before if before and not broken(before[0], x) else (x - 1, y)
            last = y0
            for at in range(x0 + 1, x + 1):
                now = y0 + round((y - y0) * (at - x0) / (x - x0))
                # From the neighbour of the dot before, which touches it, to its own.
                start = last + 1 if now > last else last - 1 if now < last else now
                top, bottom = (start, now) if start < now else (now, start)
                self.column(at, top, min(bottom + extra, lowest))
                last = now
            before = (x, y)

    def cells(self, char: str) -> Iterator[tuple[int, int, str]]:
        """(row, column, character) of every cell with a dot; `char` stands for it in ASCII."""
        for y, row in enumerate(self._cells):
            for x, bits in enumerate(row):
                if bits:
                    yield y, x, char if self.ascii else chr(0x2800 + bits)
