"""Axes for people: limits, round ticks, and numbers in as few digits as tell them apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

# Below it one over the difference of two limits is no float.
_SMALLEST = 1e-290
# Beyond it the difference of two limits is no float.
_LARGEST = 4e307
# The logarithms between which a power of ten is a float other than 0.
_LOG_LOWEST, _LOG_HIGHEST = -323.5, 308.25
# What lies outside is drawn at the edge when with it the rest would get less than this share.
_REST_SHARE = 0.75
# With fewer columns none of them sticks out.
_SEVERAL = 24


class Tick(NamedTuple):
    """A place on an axis and what stands there."""

    value: float
    label: str


class Scale(NamedTuple):
    """An axis from `low` to `high`; on a logarithmic one these are decimal logarithms."""

    low: float
    high: float
    log: bool = False


def scale_of(
    bands: Sequence[tuple[float, float]], kept: Sequence[float], rows: int, log: bool = False
) -> Scale:
    """An axis that shows the (low, high) `bands` of columns of equal width and the values `kept`.

    One band in 32 (at least two) may stick out on either side, so that a spike does not press all
    else flat; `kept` never does. Values must be positive on log; there must be one.
    """

    place = math.log10 if log else _within_floats
    lows = sorted([place(low) for low, _ in bands])
    highs = sorted([place(high) for _, high in bands])
    held = [place(value) for value in kept]
    low, high = min(lows[:1] + held), max(highs[-1:] + held)
    if len(bands) >= _SEVERAL:
        out = max(2, len(bands) // 32)
        inner_low, inner_high = min([lows[out], *held]), max([highs[-1 - out], *held])
        inner = inner_high - inner_low
        low = inner_low if inner < _REST_SHARE * (inner_high - low) else low
        high = inner_high if inner < _REST_SHARE * (high - inner_low) else high
    if high - low <= max(1e-9 * abs(low), 1e-9 * abs(high), _SMALLEST):
        room = 0.3 if log else abs(low) * 0.1 if abs(low) > _SMALLEST else 1.0
        low, high = low - room, high + room
    # Rounded outwards, so that the axis stands still while points come in.
    grain = round_step((high - low) / max(2, rows // 2)) / 4
    low, high = math.floor(low / grain) * grain, math.ceil(high / grain) * grain
    if log:
        low, high = max(low, _LOG_LOWEST), min(high, _LOG_HIGHEST)
    return Scale(low, high, log)


def _within_floats(value: float) -> float:
    return max(-_LARGEST, min(_LARGEST, value))


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5 x 10^k that is not below `least` (> 0)."""
    power = 10.0 ** math.floor(math.log10(least))
    for factor in (1, 2, 5):
        if factor * power >= least * (1 - 1e-9):
            return factor * power
    return 10 * power


def y_ticks(scale: Scale, rows: int) -> list[Tick]:
    """At most about one tick in two rows, at least two."""
    most = max(2, rows // 2)
    if not scale.log:
        return _linear_ticks(scale.low, scale.high, most)
    first, last = math.ceil(scale.low), math.floor(scale.high)
    powers = list(range(first, last + 1))
    if len(powers) >= 2:
        every = -(-len(powers) // most)
        return [Tick(10.0**p, number(10.0**p, 1)) for p in powers if p % every == 0]
    low, high = 10**scale.low, 10**scale.high
    steps = [f * 10.0**p for p in range(first - 1, last + 1) for f in (1, 2, 5)]
    ticks = [Tick(value, number(value, 1)) for value in steps if low <= value <= high]
    return ticks if len(ticks) >= 2 else _linear_ticks(low, high, most)


def _linear_ticks(low: float, high: float, most: int) -> list[Tick]:
    step = round_step((high - low) / most)
    while math.floor(high / step) - math.ceil(low / step) < 1:
        step = round_step(step / 2.6)
    counts = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    values = [count * step for count in counts]
    return [Tick(v, text) for v, text in zip(values, _labels(values, step), strict=True)]


def _labels(values: list[float], step: float) -> list[str]:
    power = math.floor(math.log10(step) + 1e-9)
    largest = max(map(abs, values))
    fixed = [f"{value:.{max(0, -power)}f}" for value in values]
    if largest < 1e6 and power > -5:
        return fixed
    digits = max(0, math.floor(math.log10(largest) + 1e-9) - power)
    powers = ["0" if v == 0 else _short_power(f"{v:.{digits}e}") for v in values]
    return min(fixed, powers, key=lambda labels: max(map(len, labels)))


def x_ticks(x0: float, x1: float, most: int) -> list[Tick]:
    """At most about `most` round steps from x0 to x1, whole numbers."""
    step = max(1.0, round_step((x1 - x0) / max(1, most)))
    counts = range(math.ceil(x0 / step), math.floor(x1 / step) + 1)
    return [Tick(count * step, step_label(count * step, step)) for count in counts]


def step_label(step: float, grain: float = 1.0) -> str:
    """A step for people: "12,500"; from a million up "1.5M" when `grain` is as round as that."""
    whole = round(step)
    if abs(whole) >= 1_000_000 and grain % 100_000 == 0:
        return f"{whole / 1e6:.1f}".removesuffix(".0") + "M"
    return f"{whole:,}"


def number(value: float, digits: int = 4) -> str:
    """A value with `digits` significant digits; "7.9e-5" rather than "7.9e-05"."""
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e6:
        return _short_power(f"{value:.{min(digits, 3) - 1}e}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def _short_power(text: str) -> str:
    digits, power = text.split("e")
    return f"{digits}e{int(power)}"
