"""The fit gauge: exactly as wide as asked, marks in order, and never without a verdict."""

from __future__ import annotations

import random
import re

import msgspec
import pytest
from rich.style import Style
from sizing_cases import GIB, gpu, recorded, whole_plan

from tunewright.hardware.errors import Problem
from tunewright.hardware.fit import Verdict
from tunewright.tui.ascii import ascii_only
from tunewright.tui.widgets.gauge import (
    EXPECTED,
    FREE,
    MARKS,
    OTHERS,
    OVER,
    SAFE,
    bar,
    gauge_line,
    gauge_parts,
    plan_gauge,
)

ORDER = re.compile(f"^{EXPECTED}*{SAFE}*(?:{re.escape(FREE)}*|{OVER}*){OTHERS}*$| +")


def verdict(expected: int, safe: int, free: int) -> Verdict:
    return "fits" if safe <= free else "tight" if expected <= free else "no"


def cases(seed: int, number: int) -> list[tuple[int, int, int, int | None]]:
    """(expected, safe, free, total) as machines have them, from nothing to far too much."""
    rng = random.Random(seed)
    found: list[tuple[int, int, int, int | None]] = [
        (0, 0, 0, 0), (1, 1, 0, None), (GIB, GIB, GIB, GIB), (1, 2, 80 * GIB, 80 * GIB),
        (900 * GIB, 1000 * GIB, GIB, 80 * GIB),
    ]  # fmt: skip
    for _ in range(number):
        total = rng.randrange(1, 200 * GIB)
        free = rng.randrange(0, total + 1)
        expected = rng.randrange(0, rng.choice((total, 4 * total)))
        safe = expected + rng.randrange(0, total)
        found.append((expected, safe, free, total if rng.random() < 0.8 else None))
    return found


def test_every_width_is_exact_marks_stand_in_order_and_the_verdict_is_there() -> None:
    names = ("lora on GPU0", "full on RAM", "x", "漢字の名前 on GPU0", "a\x1b[31mb\n", "n" * 90)
    for at, (expected, safe, free, total) in enumerate(cases(1, 300)):
        said = verdict(expected, safe, free)
        for width in (*range(20, 60), 80, 110, 200):
            name = names[at % len(names)]
            line = gauge_line(name, expected, safe, free, total, said, width)
            assert line.cell_len == width, (line.plain, width)
            assert "\x1b" not in line.plain
            drawn = line.plain[line.plain.rindex("[") + 1 : line.plain.rindex("]")]
            assert ORDER.match(drawn), line.plain
            assert re.search(rf"\b{said}\b", line.plain.rpartition("]")[2]), line.plain


def test_below_the_narrowest_it_is_as_wide_as_that() -> None:
    assert gauge_line("lora", GIB, GIB, 2 * GIB, None, "fits", 3).cell_len == 20


def test_the_stretches_add_up_to_the_device_or_to_what_is_asked_of_it() -> None:
    for expected, safe, free, total in cases(2, 500):
        parts = {part.mark: part.bytes for part in gauge_parts(expected, safe, free, total)}
        assert all(size >= 0 for size in parts.values())
        assert sum(parts.values()) == max(expected, safe, free, total or 0)
        if safe <= free:
            assert parts[EXPECTED] == expected
            assert parts[EXPECTED] + parts[SAFE] == safe
            assert parts[OVER] == 0
            assert parts[OTHERS] == max(0, (total or 0) - free)
        else:
            assert parts[FREE] == 0
            assert parts[OVER] == safe - free
        if total is None:
            assert parts[OTHERS] == 0


def test_what_is_there_gets_a_cell_and_the_rest_is_in_proportion() -> None:
    parts = gauge_parts(1, 2, 80 * GIB, 80 * GIB + 1)
    drawn = bar(parts, 20)
    assert [drawn.count(mark) for mark in (EXPECTED, SAFE, FREE, OTHERS)] == [1, 1, 17, 1]
    half = bar(gauge_parts(40 * GIB, 40 * GIB, 80 * GIB, 80 * GIB), 40)
    assert half == EXPECTED * 20 + FREE * 20
    assert bar(parts, 0) == ""
    assert len(bar(parts, 2)) == 2


@pytest.mark.parametrize(
    ("free", "said"),
    [
        (40, "fits, 20.00 GiB to spare"),
        (15, "tight, safe bound 5.00 GiB over"),
        (4, "no, 6.00 GiB"),
    ],
)
def test_the_words_carry_the_figure_that_the_verdict_hangs_on(free: int, said: str) -> None:
    numbers = 10 * GIB, 20 * GIB, free * GIB
    line = gauge_line("lora on GPU0", *numbers, 48 * GIB, verdict(*numbers), 100)
    assert said in line.plain


def test_an_unknown_total_is_said_and_others_are_not_invented() -> None:
    line = gauge_line("lora on GPU0", GIB, 2 * GIB, 8 * GIB, None, "fits", 140)
    assert "total unknown" in line.plain
    assert OTHERS not in line.plain


def test_without_unicode_the_marks_stay_apart() -> None:
    assert len(set(ascii_only(MARKS))) == len(MARKS)


def test_colours_are_the_terminals_own_and_repeat_the_words_only() -> None:
    for said in ("fits", "tight", "no"):
        line = gauge_line("lora", GIB, 2 * GIB, 3 * GIB, 4 * GIB, said, 80)  # type: ignore[arg-type]
        for span in line.spans:
            colour = Style.parse(str(span.style)).color
            assert colour is None or (colour.number or 0) < 16


def test_a_plan_is_drawn_for_its_device() -> None:
    plan, known = whole_plan(free=21.4)
    line = plan_gauge(plan, known.snapshot, 100)
    assert "qlora on GPU0" in line.plain
    assert OTHERS in line.plain
    on_ram = msgspec.structs.replace(known.snapshot, gpus=())
    assert "on RAM" in plan_gauge(whole_plan(free=None)[0], on_ram, 100).plain
    # The GPU is gone since the plan was made: nothing is claimed of its size.
    assert OTHERS not in plan_gauge(plan, on_ram, 100).plain


def test_without_a_plan_it_says_why() -> None:
    snapshot = recorded(gpus=(gpu(20),)).snapshot
    assert "nothing to size yet" in plan_gauge(None, snapshot, 80).plain
    problem = Problem("the rows\x1b[0m are cut", why="w", cure="c")
    line = plan_gauge(problem, snapshot, 30)
    assert "no plan" in line.plain
    assert "\x1b" not in line.plain
    assert line.cell_len <= 30
