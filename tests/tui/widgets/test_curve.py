"""What a person reads off a curve is what the numbers say, at any size of the terminal."""

from __future__ import annotations

import asyncio
import io
import math
import random
import re
from itertools import pairwise

import pytest
from rich.console import Console
from rich.text import Text
from textual.app import App, ComposeResult
from textual.color import Color
from textual.strip import Strip

from tunewright.tui.widgets.axis import number, round_step, step_label
from tunewright.tui.widgets.curve import Curve, draw
from tunewright.tui.widgets.dots import Dots
from tunewright.tui.widgets.plot import ZOOMS, Mark, Plot, View, marks_of
from tunewright.tui.widgets.pyramid import Pyramid

NAN = float("nan")
SIZES = [(1, 1), (5, 3), (19, 6), (20, 5), (20, 6), (33, 7), (60, 8), (80, 14), (80, 24), (200, 60)]


def pyramid(values: list[float], first: int = 1, every: int = 1) -> Pyramid:
    made = Pyramid()
    made.extend(range(first, first + every * len(values), every), values)
    return made


def run(steps: int = 412, spike: int | None = 226) -> Plot:
    """A loss as fine-tuning has it: a fall, then noise; with evaluations."""
    draw_from = random.Random(3)
    losses = [
        (0.42 + 1.45 * math.exp(-i / (steps * 0.045))) * math.exp(draw_from.gauss(0, 0.12))
        for i in range(steps)
    ]
    if spike is not None:
        losses[spike] = 7.25
    raw = pyramid(losses)
    every = max(1, steps // 14)
    evals = [0.5 + 1.3 * math.exp(-i / 3) + 0.004 * i for i in range(14)]
    return Plot("loss", raw, pyramid(evals, every, every), marks_of(raw.moments()))


AWKWARD = {
    "nothing": Plot("loss", Pyramid()),
    "one point": Plot("loss", pyramid([0.5])),
    "two points": Plot("loss", pyramid([0.5, 0.4])),
    "only not finite": Plot("loss", pyramid([NAN, math.inf, -math.inf])),
    "constant": Plot("loss", pyramid([0.25] * 50)),
    "zeros": Plot("loss", pyramid([0.0] * 50)),
    "zeros, log": Plot("loss", pyramid([0.0] * 50), view=View(log=True)),
    "negative": Plot("reward", pyramid([-5.0 + i / 10 for i in range(70)]), best="high"),
    "negative, log": Plot(
        "reward", pyramid([-5.0 + i / 10 for i in range(70)]), view=View(1, True)
    ),
    "largest": Plot("loss", pyramid([1.7e308, -1.7e308, 3.0, 1e300] * 20)),
    "smallest": Plot("lr", pyramid([5e-324, 1e-300, 2e-300] * 9), view=View(log=True)),
    "smallest, linear": Plot("lr", pyramid([1e-320, 2e-320, 1.5e-320])),
    "every decade": Plot("x", pyramid([5e-324, 1.7e308, 1.0, -3.0] * 9), view=View(log=True)),
    "far and flat": Plot("loss", pyramid([1e9 + i * 1e-7 for i in range(40)])),
    "only evals": Plot("loss", Pyramid(), pyramid([0.9, 0.8], 100, 100)),
    "late": Plot("loss", pyramid([0.5, 0.6, 0.7], 10**12)),
    "learning rate": Plot("lr", pyramid([2e-5 * i / 40 for i in range(40)]), best=None),
    "strange words": Plot(
        "損失\x1b[31m\u202e", pyramid([1.0, 2.0] * 9), marks=(Mark(4, "行 \x07\n[red]", "★"),)
    ),
    "run": run(),
    "short run": run(14, None),
}


@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("name", AWKWARD)
def test_every_line_has_exactly_the_width_of_the_terminal(name: str, ascii: bool) -> None:
    for zoom in ZOOMS:
        plot = AWKWARD[name]
        plot = Plot(
            plot.name, plot.raw, plot.evals, plot.marks, View(zoom, plot.view.log), plot.best
        )
        for width, height in SIZES:
            lines = draw(plot, width, height, ascii)
            assert [line.cell_len for line in lines] == [width] * height
            assert all(line.plain.isprintable() for line in lines)
            assert not ascii or all(line.plain.isascii() for line in lines)


def text(plot: Plot, width: int = 80, height: int = 14, ascii: bool = False) -> str:
    return "\n".join(line.plain for line in draw(plot, width, height, ascii))


def plot_rows(plot: Plot, width: int = 80, height: int = 14) -> list[str]:
    """What is right of the axis in ASCII, from the top."""
    lines = text(plot, width, height, ascii=True).splitlines()
    return [re.split(r"[|+]", line, maxsplit=1)[1] for line in lines[1:-2]]


def y_labels(plot: Plot, width: int = 80, height: int = 14) -> dict[int, str]:
    """The labels of the values by row, from the top."""
    lines = text(plot, width, height, ascii=True).splitlines()[1:-2]
    found = {y: re.match(r" *(\S+) \+", line) for y, line in enumerate(lines)}
    return {y: label[1] for y, label in found.items() if label}


def test_a_spike_of_one_step_in_a_million_is_drawn_and_named() -> None:
    losses = [0.5] * 1_000_000
    losses[400_000] = 9.25
    raw = pyramid(losses)
    plot = Plot("loss", raw, marks=marks_of(raw.moments()))
    for ascii in (False, True):
        shown = text(plot, ascii=ascii)
        assert "step 400,001: 9.25" in shown
        assert shown.splitlines()[-2].count("!") == 1
    top = plot_rows(plot)[0]
    column = next(x for x, char in enumerate(top) if char in "^.")
    assert column == pytest.approx(0.4 * len(top), abs=3)


def test_a_spike_off_the_scale_is_an_arrow_with_its_value_and_leaves_room_for_the_rest() -> None:
    shown = text(Plot("loss", run().raw), ascii=True)
    assert "^ 7.25" in shown
    assert "↑ 7.25" in text(Plot("loss", run().raw))
    assert max(float(label) for label in y_labels(run()).values()) <= 2.5


def test_the_labels_of_the_values_stand_where_these_values_are_drawn() -> None:
    for low, high in ((0.0, 1.0), (-3.0, 4.0), (1e-5, 9e-5), (100.0, 3e6), (0.4, 0.4002)):
        plot = Plot("x", pyramid([low + (high - low) * i / 999 for i in range(1000)]))
        rows, labels = plot_rows(plot), y_labels(plot)
        assert len(labels) >= 2
        width = len(rows[0])
        for y, label in labels.items():
            columns = [x for x, char in enumerate(rows[y]) if char in ".*"]
            middle = (min(columns) + max(columns)) / 2 / width
            # Values rise from low to high over the width; the mean lags by a cell.
            assert middle == pytest.approx((float(label) - low) / (high - low), abs=0.13)


def test_points_far_apart_are_joined_by_straight_lines() -> None:
    rows = plot_rows(Plot("x", pyramid([0.0, 0.0, 0.0, 0.0, 4.0], 0, 100)), height=24)
    width = len(rows[0])
    drawn = [[y for y, row in enumerate(rows) if row[x] == "*"] for x in range(width)]
    assert all(drawn)
    # The mean of the last four is 0 up to step 300 and 1 at 400; the axis ends at 4.
    middle = drawn[width * 7 // 8][0]
    assert middle == pytest.approx((drawn[0][0] + drawn[-1][0]) / 2, abs=1)


def test_the_labels_of_the_steps_stand_under_their_columns() -> None:
    values = [1.0] * 1000
    values[599] = 2.0
    plot = Plot("x", pyramid(values), marks=(Mark(600, ""),))
    *_, axis, labels = text(plot, ascii=True).splitlines()
    at = labels.index("600") + 1
    assert axis.index("!") == pytest.approx(at, abs=1)
    assert labels.split()[0] == "1"
    assert labels.split()[-1] == "1,000"


def test_zooming_shows_the_last_share_of_the_steps() -> None:
    view, shown = View(), []
    for _ in range(5):
        plot = Plot("loss", pyramid([1.0 + i % 7 for i in range(10_000)]), view=view)
        first = text(plot).splitlines()[-1].split()[0]
        shown.append((view.words, int(first.replace(",", ""))))
        view = view.next_zoom()
    assert [words for words, _ in shown] == ["", "last 50 %", "last 20 %", "last 5 %", ""]
    for (_, first), share in zip(shown, (*ZOOMS, 1.0), strict=True):
        # Never less than the share that is named, and not much more.
        assert 10_000 * share <= 10_000 - first + 1 <= 10_000 * share * 1.13


def test_a_log_axis_has_equal_room_for_every_decade_and_says_what_it_leaves_out() -> None:
    plot = Plot(
        "lr", pyramid([10.0 ** (-6 + 4 * i / 999) for i in range(1000)]), view=View(1, True)
    )
    labels = y_labels(plot, 80, 24)
    assert list(labels.values()) == ["0.01", "0.001", "1e-4", "1e-5", "1e-6"]
    rows = sorted(labels)
    gaps = [b - a for a, b in pairwise(rows)]
    assert max(gaps) - min(gaps) <= 1
    assert "not on a log axis" not in text(plot)
    mixed = Plot("loss", pyramid([1.0, 0.0, -1.0, 10.0] * 20), view=View(1, True))
    for width, height in ((80, 14), (80, 7)):
        assert "0 and below: not on a log axis" in text(mixed, width, height)


def test_the_picture_of_a_growing_run_moves_only_now_and_then() -> None:
    raw = run(400, None).raw
    for share in (1.0, 0.2):
        moved, before = 0, ""
        for _ in range(40):
            raw.extend([raw.steps[-1] + 1], [0.45])
            rows = plot_rows(Plot("loss", raw, view=View(share)))
            # The first half of the columns stays as it is while new steps come at the end.
            half = "".join(row[: len(row) // 2] for row in rows)
            moved += half != before
            before = half
        assert moved <= 14


def test_the_lowest_and_the_highest_value_of_a_column_are_always_dots() -> None:
    for top, bottom in ((0, 3), (1, 6), (2, 11), (5, 5)):
        for x in (0, 1):
            layer = Dots(1, 3, ascii=False)
            layer.column(x, top, bottom, sparse=True)
            bits = {row: ord(char) - 0x2800 for row, _, char in layer.cells("")}
            # The Unicode order of the dots of a column, from the top.
            order = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))[x]
            rows = [r * 4 + y for r, cell in bits.items() for y in range(4) if cell & order[y]]
            assert (min(rows), max(rows)) == (top, bottom)


def test_values_that_are_not_finite_are_counted_and_break_the_line() -> None:
    plot = Plot("loss", pyramid([1.0, 1.1, NAN, 1.0, math.inf, 1.2]))
    for width, height in ((80, 14), (80, 6)):
        assert "2 of 6 not finite" in text(plot, width, height)
    whole = "".join(plot_rows(Plot("loss", pyramid([1.0] * 30))))
    holed = "".join(plot_rows(Plot("loss", pyramid([1.0] * 14 + [NAN] * 2 + [1.0] * 14))))
    assert whole.count("*") - holed.count("*") >= 5
    assert marks_of(plot.raw.moments())[0].label == "step 3: not finite"


def test_range_mean_and_evaluations_differ_without_colour() -> None:
    ascii = "".join(plot_rows(run()))
    assert {".", "*", "e", "E"} <= set(ascii)
    assert ascii.count("E") == 1
    braille = text(run(), height=24)
    # The mean is two dots thick; of the range no two dots lie side by side or above each other.
    assert any(char in braille for char in "⠶⣤⠛")
    band = text(
        Plot("loss", pyramid([random.Random(i).random() for i in range(20_000)])), height=24
    )
    assert band.count("⡪") > 500


def test_the_title_tells_the_numbers_and_what_each_glyph_is() -> None:
    plot = Plot("loss", pyramid([0.5] * 99 + [0.25]), pyramid([0.9, 0.4, 0.6], 10, 40))
    title = text(plot, 100).splitlines()[0]
    assert "⡪ each step 0.2500" in title
    assert "⠶ mean of last 4: 0.4375" in title
    assert "e eval 0.6000" in title
    assert "E best 0.4000 at 50" in title
    assert ". each step 0.2500" in text(plot, 100, ascii=True).splitlines()[0]
    narrow = text(plot, 24).splitlines()[0]
    assert narrow.startswith("loss  ⡪ 0.2500")
    assert "best 3.000 at 2" in text(Plot("reward", pyramid([1, 3, 2]), best="high"))


def test_below_twenty_by_six_one_line_tells_the_numbers() -> None:
    first, *rest = text(run(), 60, 4).splitlines()
    assert "loss" in first
    assert "mean" in first
    assert not "".join(rest).strip()
    assert "no step yet" in text(Plot("loss", Pyramid()), 40, 1)
    assert "no step yet" in text(Plot("loss", Pyramid()))
    assert "3 of 3 not finite" in text(AWKWARD["only not finite"])


def test_labels_of_marks_do_not_hide_what_is_drawn() -> None:
    bare = run(spike=None)
    marks = tuple(Mark(step, f"step {step}") for step in (3, 100, 101, 250, 412))
    marked = Plot(bare.name, bare.raw, bare.evals, marks)
    for width, height in ((40, 8), (80, 14), (120, 30)):
        before, after = plot_rows(bare, width, height), plot_rows(marked, width, height)
        for row, labelled in zip(before, after, strict=True):
            assert all(a == b for a, b in zip(row, labelled, strict=True) if a != " ")
        assert "< step 250" in text(marked, width, height)


def test_a_label_that_finds_no_room_in_the_curve_stands_in_the_axis() -> None:
    values = [random.Random(i).random() for i in range(20_000)]
    plot = Plot("noise", pyramid(values), marks=(Mark(7000, "here"), Mark(19_990, "there")))
    axis = text(plot, ascii=True).splitlines()[-2]
    assert "-! here -" in axis
    assert " there !" in axis


def test_words_from_outside_are_shown_and_never_obeyed() -> None:
    shown = text(AWKWARD["strange words"], 100)
    assert "\x1b" not in shown
    assert "??\\x1b[31m\\u202e" in shown
    assert "? \\x07⏎[red]" in shown


def test_only_names_of_the_sixteen_colours_are_used() -> None:
    for plot in AWKWARD.values():
        for line in draw(plot, 80, 14):
            for span in [line.style, *(span.style for span in line.spans)]:
                assert set(str(span).split()) <= {"bold", "dim", "cyan", "green", "yellow"}


def test_numbers_are_short_and_keep_what_tells_them_apart() -> None:
    assert [number(v) for v in (0, 0.41234, 12.5, 1e6, 7.9e-5, -0.0123)] == [
        "0", "0.4123", "12.50", "1.00e6", "7.90e-5", "-0.01230",
    ]  # fmt: skip
    assert [round_step(v) for v in (0.011, 0.02, 3, 7e5)] == [0.02, 0.02, 5, 1e6]
    assert [step_label(s, 500_000) for s in (500_000, 1_500_000, 2e6)] == ["500,000", "1.5M", "2M"]


# -- the widget


class Screen(App[None]):
    """One curve in 80x14."""

    def compose(self) -> ComposeResult:
        yield Curve(id="loss")


class Sent:
    """Which lines of a curve were asked for."""

    def __init__(self, curve: Curve, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[int] = []
        plain_render = curve.render_line

        def render_line(y: int) -> Strip:
            self.lines.append(y)
            return plain_render(y)

        monkeypatch.setattr(curve, "render_line", render_line)


def test_only_lines_that_differ_are_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    plot = run()
    raw = plot.raw

    async def main() -> None:
        app = Screen()
        async with app.run_test(size=(80, 14)) as pilot:
            curve = app.query_one(Curve)
            curve.show_plot(plot)
            await pilot.pause()
            before = curve.shown.splitlines()
            assert before == text(plot).splitlines()
            sent = Sent(curve, monkeypatch)

            curve.show_plot(plot)
            await pilot.pause()
            assert sent.lines == []

            raw.extend([413], [0.46])
            curve.show_plot(plot)
            await pilot.pause()
            after = curve.shown.splitlines()
            changed = [y for y, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
            assert sorted(sent.lines) == changed
            assert 0 in changed
            assert len(changed) <= 4

            sent.lines.clear()
            curve.show_plot(Plot("loss", raw, view=View(0.2)))
            await pilot.pause()
            assert len(sent.lines) >= 10

    asyncio.run(main())


def test_the_curve_fits_itself_to_the_terminal() -> None:
    async def main() -> None:
        app = Screen()
        async with app.run_test(size=(80, 14)) as pilot:
            curve = app.query_one(Curve)
            curve.show_plot(run())
            for width, height in ((60, 8), (15, 3), (120, 40)):
                await pilot.resize_terminal(width, height)
                await pilot.pause()
                assert curve.shown == text(run(), width, height)

    asyncio.run(main())


def test_it_draws_without_colour_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def main() -> None:
        app = Screen()
        async with app.run_test(size=(80, 14)) as pilot:
            app.query_one(Curve).show_plot(run())
            await pilot.pause()
            assert app.query_one(Curve).shown == text(run())
            strips = app.screen._compositor.render_strips()
            # Attributes stay: what is dim or bold does not need colour.
            assert strips[-1]._segments[0].style.dim
            assert strips[0]._segments[0].style.bold
            for style in (segment.style for strip in strips for segment in strip):
                if style and style.color:
                    red, green, blue = Color.from_rich_color(style.color).rgb
                    assert red == green == blue

    asyncio.run(main())


def test_lines_print_without_a_screen() -> None:
    console = Console(file=io.StringIO(), width=80, no_color=True)
    for line in draw(run(), 80, 14):
        assert isinstance(line, Text)
        console.print(line)
    assert console.file.getvalue() == text(run()) + "\n"  # type: ignore[attr-defined]
