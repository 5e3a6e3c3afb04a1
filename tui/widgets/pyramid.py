"""A million points of a curve, ready to be drawn: minima, maxima and sums in ever larger buckets.

    pyramid = Pyramid()
    pyramid.extend(steps, losses)              # as they come; not finite is a gap
    pyramid.columns(0, 1_000_000, 80)          # Column(low, high, mean) or None, 80 of them
    pyramid.smoothed(0, 1_000_000, 80)         # the smoothed line at the end of each column
    pyramid.moments()                          # spikes and values that were not finite

Columns are exact: every point counts in one column, so a spike of one step survives any zoom. A
point takes 18 bytes; a column costs a few dozen reads, however many points it holds.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import lt
from typing import NamedTuple

# Columns kept between frames: with the same borders they stay what they are, however much comes.
_KEPT = 4096

# Children of a bucket.
_FAN = 16

# The smoothed line is the mean of the last 1/32 of the points so far: its lag is at most 1/64 of
# the curve, about one cell of a terminal, whether the run has a hundred steps or a million.
_SMOOTH_SHARE, _SMOOTH_LEAST = 32, 4

# A spike lies this many standard deviations above the running mean (exponential, of this span).
# Losses and gradient norms have heavy right tails: at 3 or 4 every few hundred steps would be one.
_SPIKE_DEVIATIONS, _SPIKE_SPAN, _SPIKE_WARM_UP = 6.0, 64, 20
_SPIKE_SHARE_OF_NEW = 2 / (_SPIKE_SPAN + 1)
# ... and this share of the mean, so that a curve that stands still has no spikes of rounding.
_SPIKE_SHARE = 0.01
_SPIKE_DEVIATIONS_SQUARED, _SPIKE_SHARE_SQUARED = _SPIKE_DEVIATIONS**2, _SPIKE_SHARE**2
# Points over the bar this close together are one spike.
_SPIKE_APART = 16
# The detector's state is kept at every so many points, to go on from after a truncation.
_STATE_EVERY = 256
# Its square still fits a float.
_LARGEST = 1e150


class Column(NamedTuple):
    """What the points of one column come to."""

    low: float
    high: float
    mean: float


class Moment(NamedTuple):
    """A step worth a look. `kind` is "spike" or "not finite" (without a value)."""

    step: float
    value: float | None
    kind: str


class _Level(NamedTuple):
    """Full buckets of `_FAN` children each."""

    lows: array[float]
    highs: array[float]
    sums: array[float]


class Pyramid:
    """Finite values by step, with their buckets. A step seen again replaces what followed it."""

    def __init__(self) -> None:
        self.steps = array("d")
        self.values = array("d")
        # Steps whose value was not finite, in order; no point stands for them.
        self.gaps = array("d")
        self._levels: list[_Level] = []
        self._lowest = self._highest = 0
        self._superseded = 0
        self._columns: dict[tuple[int, int], Column] = {}
        self._smoothed: dict[int, float] = {}
        self._asked: tuple[float, float, int, int] | None = None
        self._borders: list[int] = []
        self._watched = 0
        self._over: list[int] = []
        self._states = (array("d", [0.0]), array("d", [0.0]))
        self._state = (0.0, 0.0)

    def __len__(self) -> int:
        """How many finite points there are."""
        return len(self.values)

    # -- growing

    def extend(self, steps: Sequence[float], values: Sequence[float]) -> None:
        """Append points. Steps must rise (ValueError); from the first one on, older points go."""
        if len(steps) != len(values):
            raise ValueError(f"{len(steps)} steps for {len(values)} values")
        if not steps:
            return
        if not all(map(lt, steps, steps[1:])):
            raise ValueError("steps must rise within a batch")
        self.truncate(steps[0])
        old = len(self.values)
        # One that is not finite makes their sum so, and a sum is quicker than a million looks.
        if math.isfinite(sum(values)):
            self.steps.extend(array("d", steps))
            self.values.extend(array("d", values))
        else:
            for step, value in zip(steps, values, strict=True):
                if math.isfinite(value):
                    self.steps.append(step)
                    self.values.append(value)
                else:
                    self.gaps.append(step)
        new = self.values[old:]
        if not new:
            return
        low, high = min(new), max(new)
        if not old or low < self.values[self._lowest]:
            self._lowest = old + new.index(low)
        if not old or high >= self.values[self._highest]:
            self._highest = old + new.index(high)
        self._fill_levels()

    def follow(self, steps: Sequence[float], values: Sequence[float], superseded: int = 0) -> None:
        """Catch up with columns that grow elsewhere, such as those of `engine.run.curves.Curves`.

        Takes what was appended since the last call; all of it anew when `superseded` has changed
        (half a second for a million points, after a resume).
        """
        if superseded != self._superseded:
            self.truncate(-math.inf)
            self._superseded = superseded
        taken = len(self.values) + len(self.gaps)
        if taken < len(steps):
            self.extend(steps[taken:], values[taken:])

    def truncate(self, from_step: float) -> None:
        """Forget the points at `from_step` and later."""
        del self.gaps[bisect_left(self.gaps, from_step) :]
        count = bisect_left(self.steps, from_step)
        if count == len(self.steps):
            return
        del self.steps[count:]
        del self.values[count:]
        self._columns.clear()
        self._smoothed.clear()
        self._asked = None
        buckets = count
        for level in self._levels:
            buckets //= _FAN
            for column in level:
                del column[buckets:]
        if count and self._lowest >= count:
            self._lowest = self.values.index(min(self.values))
        if count and self._highest >= count:
            self._highest = self.values.index(max(self.values))
        self._watch_again_from(count)

    def _fill_levels(self) -> None:
        below = _Level(self.values, self.values, self.values)
        for depth in range(64):
            full = len(below.lows) // _FAN
            if not full:
                return
            if depth == len(self._levels):
                self._levels.append(_Level(array("d"), array("d"), array("d")))
            level = self._levels[depth]
            new = slice(len(level.lows) * _FAN, full * _FAN)
            level.lows.extend(map(min, _buckets(below.lows[new])))
            level.highs.extend(map(max, _buckets(below.highs[new])))
            level.sums.extend(map(sum, _buckets(below.sums[new])))
            below = level

    # -- drawing

    @property
    def lowest(self) -> tuple[float, float] | None:
        """(step, value) of the lowest point, the first of equals; None without points."""
        return (self.steps[self._lowest], self.values[self._lowest]) if self.values else None

    @property
    def highest(self) -> tuple[float, float] | None:
        """(step, value) of the highest point; None without points."""
        return (self.steps[self._highest], self.values[self._highest]) if self.values else None

    def columns(self, x0: float, x1: float, n: int) -> list[Column | None]:
        """`n` columns of equal width over the steps x0 to x1 (both included); None where none is.

        A step on the border of two columns belongs to the right one.
        """
        bounds = self._bounds(x0, x1, n)
        return [self._column(a, b) if b > a else None for a, b in pairwise(bounds)]

    def smoothed(self, x0: float, x1: float, n: int) -> list[float | None]:
        """The smoothed line at the last point of each of the columns that `columns` gives.

        It is the mean of the last `window(i)` points at the i-th, and so depends neither on what
        is shown nor on what comes later.
        """
        bounds = self._bounds(x0, x1, n)
        return [self.smoothed_at(b - 1) if b > a else None for a, b in pairwise(bounds)]

    def smoothed_at(self, index: int) -> float:
        """The mean of the `window(index + 1)` points that end with that index."""
        known = self._smoothed.get(index)
        if known is None:
            count = window(index + 1)
            first = index + 1 - count
            known = self._mean(self._sum(first, index + 1), count, first)
            if len(self._smoothed) >= _KEPT:
                self._smoothed.clear()
            self._smoothed[index] = known
        return known

    def has_gap(self, x0: float, x1: float) -> bool:
        """Was a value from x0 (included) to x1 (excluded) not finite?"""
        return bisect_left(self.gaps, x0) < bisect_left(self.gaps, x1)

    def _bounds(self, x0: float, x1: float, n: int) -> list[int]:
        asked = (x0, x1, n, len(self.steps))
        if asked != self._asked:
            width, at, bounds = (x1 - x0) / n, 0, []
            for column in range(n):
                at = bisect_left(self.steps, x0 + column * width, at)
                bounds.append(at)
            bounds.append(bisect_right(self.steps, x1, at))
            self._asked, self._borders = asked, bounds
        return self._borders

    def _column(self, a: int, b: int) -> Column:
        known = self._columns.get((a, b))
        if known is None:
            if len(self._columns) >= _KEPT:
                self._columns.clear()
            known = self._columns[a, b] = self._fold(a, b)
        return known

    def _fold(self, a: int, b: int) -> Column:
        first, count = a, b - a
        # The ends of the range at each level, until what is left is a handful of large buckets.
        lows, (a, b) = _ends(self.values, a, b)
        highs, sums = lows.copy(), lows.copy()
        for level in self._levels:
            if a >= b:
                break
            lows += _ends(level.lows, a, b)[0]
            highs += _ends(level.highs, a, b)[0]
            more, (a, b) = _ends(level.sums, a, b)
            sums += more
        low = min(lows)
        return Column(low, max(highs), self._mean(sum(sums), count, first))

    def _sum(self, a: int, b: int) -> float:
        ends, (a, b) = _ends(self.values, a, b)
        total = sum(ends)
        for level in self._levels:
            if a >= b:
                break
            ends, (a, b) = _ends(level.sums, a, b)
            total += sum(ends)
        return total

    def _mean(self, total: float, count: int, first: int) -> float:
        if math.isfinite(total):
            return total / count
        # Values near the largest float add up to infinity; their shares do not.
        return math.fsum(value / count for value in self.values[first : first + count])

    # -- what is notable

    def moments(self) -> list[Moment]:
        """Spikes and values that were not finite, by step. Costs what came since the last call.

        A spike is the highest of the points that lie close together and more than six standard
        deviations (and 6 % of the mean) above the running mean; a run of values that were not
        finite is one moment. What is over the bar counts as if it lay on it, so that one spike
        does not hide the next and a lasting rise ends to be one.
        """
        self.watch(self.unwatched)
        spikes: list[int] = []
        last = -_SPIKE_APART
        for index in self._over:
            if index - last >= _SPIKE_APART:
                spikes.append(index)
            elif self.values[index] > self.values[spikes[-1]]:
                spikes[-1] = index
            last = index
        found = [Moment(self.steps[i], self.values[i], "spike") for i in spikes]
        before = -1
        for gap in self.gaps:
            at = bisect_left(self.steps, gap)
            if at != before:
                found.append(Moment(gap, None, "not finite"))
            before = at
        return sorted(found, key=lambda moment: moment.step)

    @property
    def unwatched(self) -> int:
        """How many points the next `moments` would look at: a million take 0.3 s."""
        return len(self.values) - self._watched

    def watch(self, most: int) -> None:
        """Look for spikes in the next `most` points, so that `moments` has less to do."""
        mean, variance = self._state
        means, variances = self._states
        values, over = self.values, self._over
        end = min(len(values), self._watched + most)
        for index in range(self._watched, end):
            if not index % _STATE_EVERY and index // _STATE_EVERY == len(means):
                means.append(mean)
                variances.append(variance)
            off = values[index] - mean
            if index < _SPIKE_WARM_UP:
                off = max(-_LARGEST, min(_LARGEST, off))
            else:
                # In squares: a root for each of a million points is a quarter of the time.
                square = _SPIKE_SHARE_SQUARED * mean * mean
                if variance > square:
                    square = variance
                if off * off > _SPIKE_DEVIATIONS_SQUARED * square:
                    bar = _SPIKE_DEVIATIONS * math.sqrt(square)
                    if off > bar:
                        over.append(index)
                    off = math.copysign(bar, off)
            # The plain mean of what there is, until there is a span of it.
            share = _SPIKE_SHARE_OF_NEW if index >= _SPIKE_SPAN else 1 / (index + 1)
            mean += share * off
            variance = (1 - share) * (variance + share * off * off)
        self._state = (mean, variance)
        self._watched = end

    def _watch_again_from(self, count: int) -> None:
        if count >= self._watched:
            return
        kept = count // _STATE_EVERY
        self._watched = kept * _STATE_EVERY
        means, variances = self._states
        self._state = (means[kept], variances[kept])
        del means[kept + 1 :]
        del variances[kept + 1 :]
        del self._over[bisect_left(self._over, self._watched) :]


def _buckets(parts: array[float]) -> Iterator[tuple[float, ...]]:
    return zip(*[iter(parts)] * _FAN, strict=True)


def _ends(column: array[float], a: int, b: int) -> tuple[list[float], tuple[int, int]]:
    """What of column[a:b] fills no bucket, and the range of the buckets that the rest fills."""
    left, right = -(-a // _FAN), b // _FAN
    if left >= right:
        return column[a:b].tolist(), (0, 0)
    ends = column[a : left * _FAN].tolist()
    ends += column[right * _FAN : b].tolist()
    return ends, (left, right)


def window(count: int) -> int:
    """How many of the first `count` points the smoothed line averages at the last of them."""
    return min(count, max(_SMOOTH_LEAST, count // _SMOOTH_SHARE))
