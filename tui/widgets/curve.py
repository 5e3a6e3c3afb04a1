"""A curve in a terminal: every step's range, its mean, evaluations, and the moments to look at.

Alone, without a screen:

    loss = Pyramid()
    loss.extend(range(1, 1001), losses)
    for line in draw(Plot("loss", loss), width=80, height=14):
        rich.print(line)

As a widget, in any Textual app:

    curve = Curve(id="loss")                          # compose()
    curve.show_plot(Plot("loss", loss, view=View(share=0.2, log=True)))   # as often as you like

Braille dots, or characters below 128 with `ascii=True`. Nothing is told by colour alone: the range
of the steps is sparse dots, the mean a thick line (`.` and `*` in ASCII), evaluations are `e`, the
best one `E`, and what lies off the scale is an arrow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter

from rich.text import Text

from tunewright.tui.widgets.axis import Scale, Tick, number, scale_of, step_label, x_ticks, y_ticks
from tunewright.tui.widgets.dots import Dots
from tunewright.tui.widgets.lines import Lines
from tunewright.tui.widgets.plot import (
    AXIS,
    EVAL,
    MARK,
    MEAN,
    RAW,
    Mark,
    Plot,
    best_of,
    fit,
    missing,
    one_cell_each,
    title_line,
)
from tunewright.tui.widgets.pyramid import Column, Pyramid

# Below it only the numbers are told.
LEAST_WIDTH, LEAST_HEIGHT = 20, 6
# With fewer lines, notes stand in the title.
_NOTES_HEIGHT = 8
# Cells left of the axis, unless its labels are longer.
_GUTTER = 5


def draw(plot: Plot, width: int, height: int, ascii: bool = False) -> list[Text]:
    """`height` lines of exactly `width` cells each. Below 20x6: one line with the numbers."""
    if height < 1 or width < 1:
        return []
    evals = plot.evals or Pyramid()
    if width < LEAST_WIDTH or height < LEAST_HEIGHT or not (len(plot.raw) or len(evals)):
        line = title_line(plot, missing(plot), width, ascii)
        return [line, *(Text(" " * width) for _ in range(height - 1))]
    return _Drawing(plot, evals, width, height, ascii).lines()


class _Band:
    """A column of dots between two values: rows from the top, and where they leave the scale."""

    def __init__(self, x: int, column: Column, top: int, bottom: int, last: int) -> None:
        self.x, self.column, self.top, self.bottom = x, column, top, bottom
        self.above, self.below = top < 0, bottom > last


class _Drawing:
    """One picture in the making; rows count from the top."""

    def __init__(self, plot: Plot, evals: Pyramid, width: int, height: int, ascii: bool) -> None:
        self.plot, self.evals, self.width, self.ascii = plot, evals, width, ascii
        self.log = plot.view.log
        self.x0, self.x1 = _shown_steps(plot.raw, evals, plot.view.share)
        self.notes = missing(plot)
        if self.log and any(s.lowest is not None and s.lowest[1] <= 0 for s in (plot.raw, evals)):
            self.notes.append("0 and below: not on a log axis")
        self.has_notes = bool(self.notes) and height >= _NOTES_HEIGHT
        self.rows = height - 3 - self.has_notes
        self.eval_points = [
            (step, value)
            for step, value in zip(evals.steps, evals.values, strict=True)
            if self.x0 <= step <= self.x1 and (value > 0 or not self.log)
        ]
        self.down = 1 if ascii else 4
        self.last = self.rows * self.down - 1
        self._look(width - _GUTTER - 1)
        kept = [mean for mean in self.means if mean is not None and (mean > 0 or not self.log)]
        kept += [value for _, value in self.eval_points]
        bands = [(column.low, column.high) for _, column in self.columns]
        self.empty = not (bands or kept)
        self.scale = Scale(0, 1) if self.empty else scale_of(bands, kept, self.rows, self.log)
        self.dots_per_unit = self.last / (self.scale.high - self.scale.low)
        self.ticks = [] if self.empty else y_ticks(self.scale, self.rows)
        longest = max((len(tick.label) + 1 for tick in self.ticks), default=0)
        self.gutter = min(max(_GUTTER, longest), width // 3)
        if self.gutter != _GUTTER:
            self._look(width - self.gutter - 1)
        self.grid = [[(" ", "")] * self.cells for _ in range(self.rows)]

    def _look(self, cells: int) -> None:
        """Take the numbers of as many columns as there are in so many cells."""
        self.cells = cells
        raw, count = self.plot.raw, Dots(cells, 1, self.ascii).width
        self.columns = self._drawable(raw.columns(self.x0, self.x1, count))
        self.means = raw.smoothed(self.x0, self.x1, count)

    def lines(self) -> list[Text]:
        """The whole picture."""
        shown = [mark for mark in self.plot.marks if self.x0 <= mark.step <= self.x1]
        steps, mean = self._layer(), self._layer()
        bands = [
            _Band(x, column, self._y(column.high), self._y(column.low), self.last)
            for x, column in self.columns
        ]
        self._draw_steps(steps, bands)
        points = [(x, self._y(value)) for x, value in enumerate(self.means) if value is not None]
        mean.line(points, self._gaps_in(mean), thick=not self.ascii)
        self._put(steps, ".", RAW)
        self._put(mean, "*", MEAN)
        self._put_evals()
        self._put_arrows(bands, steps.across)
        left = self._put_labels([mark for mark in shown if mark.label])
        self._put_arrow_values(bands, steps.across, {self._cell(mark.step) for mark in shown})
        if self.empty:
            self._put_text(self.rows // 2, 1, "nothing to draw here", "")
        notes = [] if self.has_notes else self.notes
        title = title_line(self.plot, notes, self.width, self.ascii)
        lines = [title, *self._plot_rows(), self._axis(shown, left), self._steps_line()]
        if self.has_notes:
            lines.append(fit(Text("  ".join(self.notes), MARK), self.width))
        return lines

    # -- where things stand

    def _drawable(self, columns: list[Column | None]) -> list[tuple[int, Column]]:
        """On a log axis a column whose lowest value has no place is drawn by its highest."""
        known = [(x, column) for x, column in enumerate(columns) if column is not None]
        if not self.log:
            return known
        return [
            (x, column if column.low > 0 else column._replace(low=column.high))
            for x, column in known
            if column.high > 0
        ]

    def _cell(self, step: float) -> int:
        share = (step - self.x0) / (self.x1 - self.x0)
        return max(0, min(self.cells - 1, int(share * self.cells)))

    def _y(self, value: float) -> int:
        """The row of dots of a value: -1 above the scale, `last` + 1 below it."""
        if self.log:
            if value <= 0:
                return self.last + 1
            value = math.log10(value)
        y = (self.scale.high - value) * self.dots_per_unit
        if y > self.last + 1e-6:
            return self.last + 1
        return -1 if y < -1e-6 else round(y)

    # -- what is drawn

    def _layer(self) -> Dots:
        return Dots(self.cells, self.rows, self.ascii)

    def _put(self, layer: Dots, char: str, style: str) -> None:
        for row, column, shown in layer.cells(char):
            self.grid[row][column] = (shown, style)

    def _draw_steps(self, layer: Dots, bands: list[_Band]) -> None:
        if not self.ascii and 2 * len(bands) <= layer.width:
            # Dots so far apart are lost to the eye; the mean is still twice as thick.
            points = [(band.x, self._y(band.column.mean)) for band in bands]
            layer.line(points, self._gaps_in(layer), thick=False)
        for band in bands:
            top, bottom = max(0, band.top), min(self.last, band.bottom)
            if top <= bottom:
                layer.column(band.x, top, bottom, sparse=True)

    def _gaps_in(self, layer: Dots) -> Callable[[int, int], bool]:
        """Whether a value was not finite between two columns with no point between them."""
        gaps, width = self.plot.raw.gaps, (self.x1 - self.x0) / layer.width
        if not gaps:
            return lambda x, next_x: False
        return lambda x, next_x: (
            next_x - x > 1
            and self.plot.raw.has_gap(self.x0 + (x + 1) * width, self.x0 + next_x * width)
        )

    def _put_evals(self) -> None:
        best = best_of(self.plot) if len(self.evals) else None
        for point in sorted(self.eval_points, key=lambda point: point == best):
            row = max(0, min(self.last, self._y(point[1]))) // self.down
            self.grid[row][self._cell(point[0])] = ("E" if point == best else "e", EVAL)

    def _put_arrows(self, bands: list[_Band], across: int) -> None:
        up, down = "^v" if self.ascii else "↑↓"
        for band in bands:
            if band.above:
                self.grid[0][band.x // across] = (up, MARK)
            if band.below:
                self.grid[-1][band.x // across] = (down, MARK)

    def _put_arrow_values(self, bands: list[_Band], across: int, marked: set[int]) -> None:
        for band in bands:
            cell = band.x // across
            if cell in marked or not (band.above or band.below):
                continue
            row, value = (0, band.column.high) if band.above else (self.rows - 1, band.column.low)
            self._put_beside(row, cell, number(value, 3), "", "")

    def _put_labels(self, marks: list[Mark]) -> list[Mark]:
        """Label what there is room for beside the curve; the marks that found none."""
        left = []
        for mark in marks:
            cell = self._cell(mark.step)
            label = one_cell_each(mark.label, self.ascii)
            used = [y for y in range(self.rows) if self.grid[y][cell][0] != " "]
            top = used[0] if used else self.rows - 1
            near = sorted(range(self.rows), key=lambda y: abs(y - top))[: self.rows // 2 + 1]
            if not any(self._put_beside(row, cell, label, "< ", " >") for row in near):
                left.append(mark)
        return left

    def _put_beside(self, row: int, cell: int, text: str, left: str, right: str) -> bool:
        """Write to the right of a cell or to the left of it, where nothing is drawn."""
        return self._put_text(row, cell + 1, f" {left}{text}", MARK) or self._put_text(
            row, cell - len(text) - len(right) - 1, f"{text}{right} ", MARK
        )

    def _put_text(self, row: int, column: int, text: str, style: str) -> bool:
        """Write where nothing is drawn, or not at all."""
        end = column + len(text)
        if column < 0 or end > self.cells:
            return False
        if any(char != " " for char, _ in self.grid[row][column:end]):
            return False
        self.grid[row][column:end] = [(char, style) for char in text]
        return True

    # -- the frame

    def _plot_rows(self) -> list[Text]:
        labels = {self._y(tick.value) // self.down: tick.label for tick in self.ticks}
        lines = []
        for y, cells in enumerate(self.grid):
            label = labels.get(y, "")
            if len(label) >= self.gutter:
                label = ""
            border = ("+|" if self.ascii else "┤│")[not label]
            line = Text(f"{label:>{self.gutter - 1}} {border}", AXIS, no_wrap=True)
            lines.append(_joined(line, cells))
        return lines

    def _axis(self, marks: list[Mark], unlabelled: list[Mark]) -> Text:
        """The rule with ticks and marks; labels for which the curve leaves no room stand in it."""
        corner, rule, cross = "+-+" if self.ascii else "└─┬"
        cells = [(rule, AXIS)] * self.cells
        for tick in self._x_ticks():
            cells[self._cell(tick.value)] = (cross, AXIS)
        for mark in marks:
            symbol = one_cell_each(mark.symbol, self.ascii)[:1] or "!"
            cells[self._cell(mark.step)] = (symbol, MARK)
        for mark in unlabelled:
            cell, text = self._cell(mark.step), f" {one_cell_each(mark.label, self.ascii)} "
            for start in (cell + 1, cell - len(text)):
                place = cells[max(0, start) : start + len(text)]
                if len(place) == len(text) and all(style == AXIS for _, style in place):
                    cells[start : start + len(text)] = [(char, MARK) for char in text]
                    break
        return _joined(Text(" " * self.gutter + corner, AXIS, no_wrap=True), cells)

    def _x_ticks(self) -> list[Tick]:
        return x_ticks(self.x0, self.x1, self.cells // 12)

    def _steps_line(self) -> Text:
        """Labels of the last step, the first, and of the ticks that find room between them."""
        room = [" "] * self.width
        last = _last_step(self.plot.raw, self.evals)
        ends = [Tick(last, step_label(last)), Tick(self.x0, step_label(self.x0))]
        for tick in [*ends, *self._x_ticks()]:
            at = self.gutter + 1 + self._cell(tick.value) - len(tick.label) // 2
            at = max(0, min(self.width - len(tick.label), at))
            around = room[max(0, at - 2) : at + len(tick.label) + 2]
            if all(char == " " for char in around):
                room[at : at + len(tick.label)] = tick.label
        return Text("".join(room), AXIS, no_wrap=True)


def _shown_steps(raw: Pyramid, evals: Pyramid, share: float) -> tuple[float, float]:
    """The first and the last step of the picture, on a grid that moves only now and then.

    So columns keep their borders while a run goes on, and few lines change from frame to frame.
    """
    first = min(s.steps[0] for s in (raw, evals) if len(s))
    last = _last_step(raw, evals)
    span = share * (last - first)
    if span <= 0:
        return first, first + 1
    grain = 2.0 ** math.floor(math.log2(span / 16))
    end = first + math.ceil((last - first) / grain) * grain
    if share >= 1:
        return first, end
    # One grain more than asked for, so that both ends move at the same time.
    return max(first, end - (math.ceil(span / grain) + 1) * grain), end


def _last_step(raw: Pyramid, evals: Pyramid) -> float:
    return max(s.steps[-1] for s in (raw, evals) if len(s))


def _joined(line: Text, cells: list[tuple[str, str]]) -> Text:
    """The line with the cells behind it, one span a run of equal style."""
    for style, run in groupby(cells, itemgetter(1)):
        line.append("".join(map(itemgetter(0), run)), style)
    return line


class Curve(Lines):
    """A plot that fills its place; a line is sent again only when it differs."""

    DEFAULT_CSS = "Curve { height: 1fr; min-height: 1; }"

    def __init__(
        self, *, ascii: bool = False, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.ascii = ascii
        self._plot: Plot | None = None

    def show_plot(self, plot: Plot) -> None:
        """Draw `plot` as it stands now; call it again when its series have grown."""
        self._plot = plot
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._plot is not None and self.size:
            self.show(draw(self._plot, self.size.width, self.size.height, self.ascii))
