"""The pyramid says of any columns what a look at every point would say."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterator

import pytest

from tunewright.engine.run.curves import Curves, Point, batch_of
from tunewright.tui.widgets.pyramid import Column, Pyramid, window

NAN = float("nan")


def plain_columns(
    points: list[tuple[float, float]], x0: float, x1: float, n: int
) -> list[tuple[float, float, float] | None]:
    """What `columns` promises, by looking at every point."""
    width = (x1 - x0) / n
    found: list[tuple[float, float, float] | None] = []
    for c in range(n):
        inside = [
            v
            for s, v in points
            if x0 + c * width <= s
            and (s <= x1 if c == n - 1 else s < x0 + (c + 1) * width)
            and math.isfinite(v)
        ]
        mean = math.fsum(inside) / len(inside) if inside else 0.0
        found.append((min(inside), max(inside), mean) if inside else None)
    return found


def assert_same(
    found: list[Column | None], wanted: list[tuple[float, float, float] | None]
) -> None:
    assert [c is None for c in found] == [w is None for w in wanted]
    for column, want in zip(found, wanted, strict=True):
        if column and want:
            assert column[:2] == want[:2]
            assert column.mean == pytest.approx(want[2], rel=1e-9, abs=1e-9)


def batches(draw: random.Random, count: int) -> Iterator[list[tuple[float, float]]]:
    """Points of rising steps in batches of any size, some of them not finite."""
    step = draw.randint(-5, 5)
    while count > 0:
        size = min(count, draw.choice([1, 1, 2, 15, 16, 17, 100, 700]))
        count -= size
        batch = []
        for _ in range(size):
            step += draw.choice([1, 1, 1, 2, 10])
            value = draw.choice([NAN, math.inf]) if draw.random() < 0.03 else draw.gauss(1, 3)
            batch.append((float(step), value))
        yield batch


@pytest.mark.parametrize("seed", range(12))
def test_columns_are_those_of_a_look_at_every_point(seed: int) -> None:
    draw = random.Random(seed)
    pyramid, points = Pyramid(), []
    for batch in batches(draw, draw.choice([1, 5, 300, 3000])):
        pyramid.extend([s for s, _ in batch], [v for _, v in batch])
        points += batch
        if draw.random() < 0.1:
            cut = draw.choice(points)[0]
            pyramid.truncate(cut)
            points = [point for point in points if point[0] < cut]
        if draw.random() < 0.3:
            x0 = draw.uniform(-10, 3000)
            x1 = x0 + draw.choice([0.5, 7, 100, 5000])
            n = draw.choice([1, 2, 7, 80, 161])
            assert_same(pyramid.columns(x0, x1, n), plain_columns(points, x0, x1, n))
    finite = [(s, v) for s, v in points if math.isfinite(v)]
    assert list(zip(pyramid.steps, pyramid.values, strict=True)) == finite
    if points:
        first, last = points[0][0], points[-1][0] + 1
        assert_same(pyramid.columns(first, last, 33), plain_columns(points, first, last, 33))
    if finite:
        assert pyramid.lowest == min(finite, key=lambda point: point[1])
        assert pyramid.highest == max(finite, key=lambda point: point[1])


def test_one_step_among_a_million_is_seen_in_eighty_columns() -> None:
    values = array("d", [0.5]) * 1_000_000
    values[617_283] = 9.1
    values[12] = -4.0
    pyramid = Pyramid()
    pyramid.extend(range(1, 1_000_001), values)
    columns = pyramid.columns(1, 1_000_000, 80)
    assert [x for x, c in enumerate(columns) if c and c.high == 9.1] == [49]
    assert [x for x, c in enumerate(columns) if c and c.low == -4.0] == [0]
    assert pyramid.highest == (617_284, 9.1)


def test_a_step_seen_again_replaces_what_followed_it() -> None:
    resumed, fresh = Pyramid(), Pyramid()
    draw = random.Random(1)
    before, lost, again = ([draw.random() for _ in range(600)] for _ in range(3))
    resumed.extend(range(600), before)
    resumed.columns(0, 2000, 50), resumed.smoothed(0, 2000, 50), resumed.moments()
    resumed.extend(range(600, 1200), [value * 9 for value in lost])
    resumed.columns(0, 2000, 50), resumed.smoothed(0, 2000, 50), resumed.moments()
    resumed.extend(range(500, 1100), again)
    fresh.extend(range(1100), before[:500] + again)
    assert resumed.columns(0, 2000, 50) == fresh.columns(0, 2000, 50)
    assert resumed.smoothed(0, 2000, 50) == fresh.smoothed(0, 2000, 50)
    assert resumed.moments() == fresh.moments()
    assert (resumed.lowest, resumed.highest) == (fresh.lowest, fresh.highest)


def test_as_many_points_at_other_steps_are_other_columns() -> None:
    pyramid = Pyramid()
    pyramid.extend([1, 2, 3], [1.0, 2.0, 3.0])
    assert pyramid.columns(1, 9, 2)[1] is None
    pyramid.extend([2, 8], [4.0, 5.0])
    assert pyramid.columns(1, 9, 2)[1] == (5.0, 5.0, 5.0)


def test_a_pyramid_follows_the_curves_of_a_run_through_a_resume() -> None:
    def points(first: int, last: int, scale: float) -> list[Point]:
        return [Point(s, None if s % 50 == 0 else scale * s, 1e-4, 1.0) for s in range(first, last)]

    curves, pyramid = Curves(), Pyramid()
    for batch in (points(1, 90, 1.0), points(90, 300, 1.0), points(120, 260, 2.0)):
        curves.add(batch_of(batch))
        pyramid.follow(curves.step, curves.loss, curves.superseded)
    assert pyramid.steps == array("d", [s for s in range(1, 260) if s % 50])
    assert pyramid.values == array("d", [s * (2 if s >= 120 else 1) for s in pyramid.steps])
    assert list(pyramid.gaps) == [50, 100, 150, 200, 250]


def test_steps_that_do_not_rise_are_refused() -> None:
    pyramid = Pyramid()
    with pytest.raises(ValueError, match="rise"):
        pyramid.extend([1, 3, 2], [0, 0, 0])
    with pytest.raises(ValueError, match="3 steps for 2"):
        pyramid.extend([1, 2, 3], [0, 0])
    assert not pyramid


def test_the_smoothed_line_is_the_mean_of_the_last_thirty_second_of_the_points() -> None:
    draw = random.Random(4)
    values = [draw.gauss(0, 1) for _ in range(5000)]
    pyramid = Pyramid()
    pyramid.extend(range(5000), values)
    for index in [0, 1, 3, 4, 127, 128, 777, 4999]:
        last = values[index + 1 - window(index + 1) : index + 1]
        assert pyramid.smoothed_at(index) == pytest.approx(math.fsum(last) / len(last))
    assert [window(n) for n in (1, 4, 100, 3200)] == [1, 4, 4, 100]


def test_smoothing_depends_neither_on_the_width_nor_on_what_comes_later() -> None:
    draw = random.Random(5)
    values = [draw.random() for _ in range(2048)]
    short, long = Pyramid(), Pyramid()
    short.extend(range(1024), values[:1024])
    long.extend(range(2048), values)
    wide, narrow = long.smoothed(0, 2048, 128), long.smoothed(0, 2048, 32)
    assert wide[3::4] == narrow
    assert short.smoothed(0, 1024, 64) == wide[:64]


def test_means_of_the_largest_floats_are_finite() -> None:
    pyramid = Pyramid()
    pyramid.extend(range(100), [1.7e308] * 100)
    assert pyramid.columns(0, 99, 1)[0] == pytest.approx((1.7e308,) * 3)


def test_a_spike_is_a_moment_and_the_noise_around_it_is_none() -> None:
    draw = random.Random(6)
    values = [0.4 + 1.5 * math.exp(-i / 50) + draw.gauss(0, 0.05) for i in range(20_000)]
    for at, height in ((5_000, 2.0), (5_003, 2.5), (5_200, 2.2), (19_999, 3.0)):
        values[at] = height
    pyramid = Pyramid()
    pyramid.extend(range(20_000), values)
    assert pyramid.moments() == [
        (5_003, 2.5, "spike"), (5_200, 2.2, "spike"), (19_999, 3.0, "spike"),
    ]  # fmt: skip


def test_a_huge_spike_does_not_hide_the_next_one() -> None:
    draw = random.Random(8)
    values = [draw.gauss(1, 0.05) for _ in range(400)]
    values[200], values[230] = 1e6, 2.0
    pyramid = Pyramid()
    pyramid.extend(range(400), values)
    assert pyramid.moments() == [(200, 1e6, "spike"), (230, 2.0, "spike")]


def test_moments_do_not_depend_on_the_batches_in_which_points_came() -> None:
    draw = random.Random(7)
    values = [draw.lognormvariate(0, 0.9) for _ in range(4000)]
    whole, piecemeal = Pyramid(), Pyramid()
    whole.extend(range(4000), values)
    at = 0
    while at < 4000:
        size = draw.randint(1, 300)
        piecemeal.extend(range(at, min(4000, at + size)), values[at : at + size])
        piecemeal.moments()
        at += size
    assert whole.moments()
    assert piecemeal.moments() == whole.moments()


def test_a_run_of_values_that_are_not_finite_is_one_moment() -> None:
    pyramid = Pyramid()
    pyramid.extend(range(8), [1, 1, NAN, math.inf, -math.inf, 1, NAN, 1])
    assert pyramid.moments() == [(2, None, "not finite"), (6, None, "not finite")]


def test_a_level_that_lasts_and_a_curve_that_stands_still_are_no_row_of_spikes() -> None:
    pyramid = Pyramid()
    pyramid.extend(range(1000), [1.0] * 500 + [1.04] * 500)
    assert pyramid.moments() == []
    pyramid.extend(range(1000, 2000), [5.0] * 1000)
    assert 1 <= len(pyramid.moments()) <= 2
