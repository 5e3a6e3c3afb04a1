"""The fit gauge: a predicted peak against the memory of the device, in one line.

     lora on GPU0 [██████████▒▒▒▒·················××××××] fits, 8.80 GiB to spare

    █ expected peak   ▒ up to the safe bound   · free beyond it   ! over what is free   × others'

The verdict stands in words as well, so colour and marks only repeat it; on a terminal without
Unicode the marks become # + . ! x. Reusable: `gauge_line` is pure, takes bytes and gives a line of
exactly `width` cells, for any width from 20 up; `Gauge` only draws it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rich.text import Text

from tunewright.engine.devices.planned import planned_gpu
from tunewright.engine.plan import Plan
from tunewright.engine.text import plain, shorten, size
from tunewright.hardware.errors import Problem
from tunewright.hardware.fit import Verdict
from tunewright.hardware.snapshot import Snapshot
from tunewright.tui.widgets.lines import Lines

STYLES: dict[str, str] = {"fits": "green", "tight": "yellow", "no": "red"}
EXPECTED, SAFE, FREE, OVER, OTHERS = MARKS = "█▒·!×"

NARROWEST = 20
# A bar shorter than this says less than the words that it would leave room for.
_BAR = 24
_LEAST_BAR = 8


class Part(NamedTuple):
    """A stretch of the bar: its mark, and the bytes that it stands for."""

    mark: str
    bytes: int


def gauge_parts(expected: int, safe: int, free: int, total: int | None) -> tuple[Part, ...]:
    """The stretches of the bar in their order, left to right; bytes are of the device.

    What is beyond `free` is `OVER`, however much of it the device has: others hold it. An unknown
    `total` shows nothing of others.
    """
    free = max(free, 0)
    end = max(expected, safe, free, total or 0)
    used, bound = min(expected, free), min(max(expected, safe), free)
    over = max(expected, safe, free) - free
    return (
        Part(EXPECTED, used),
        Part(SAFE, bound - used),
        Part(FREE, free - bound),
        Part(OVER, over),
        Part(OTHERS, end - free - over),
    )


def bar(parts: tuple[Part, ...], width: int) -> str:
    """The stretches in exactly `width` cells, each in proportion; what is there at all gets a cell,
    as long as there are enough of them."""
    shown = [part for part in parts if part.bytes > 0]
    whole = sum(part.bytes for part in shown)
    if not shown or width <= 0:
        return " " * max(width, 0)
    if width < len(shown):
        shown = sorted(shown, key=lambda part: -part.bytes)[:width]
        shown = [part for part in parts if part in shown]
        whole = sum(part.bytes for part in shown)
    spread, cells, passed = width - len(shown), "", 0
    for at, part in enumerate(shown, start=1):
        passed += part.bytes
        cells += part.mark * (at + round(spread * passed / whole) - len(cells))
    return cells


def gauge_line(
    name: str,
    expected: int,
    safe: int,
    free: int,
    total: int | None,
    verdict: Verdict,
    width: int,
) -> Text:
    """One line of exactly `width` cells (at least 20); all memory in bytes.

    `total` is the device's (None: unknown), `free` of it is; the rest is held by others. `name` is
    shown where there is room. The verdict always is.
    """
    width = max(width, NARROWEST)
    style = STYLES[verdict]
    wordings = _wordings(plain(name), expected, safe, free, total, verdict)
    head, tail, room = _fitting(wordings, verdict, width)
    line = Text(head, no_wrap=True)
    line.append("[")
    for mark in bar(gauge_parts(expected, safe, free, total), room):
        line.append(mark, "dim" if mark in (FREE, OTHERS) else style)
    line.append("]")
    said, _, more = tail.partition("   ")
    line.append(said, f"bold {style}")
    line.append(f"   {more}" if more else "", "dim")
    return line


def _fitting(
    wordings: Iterator[tuple[str, str]], verdict: Verdict, width: int
) -> tuple[str, str, int]:
    """What stands before and behind the bar, and the cells that are left for it: the most words
    that leave a readable bar, else the fewest."""
    for head, tail in wordings:
        room = width - Text(head).cell_len - 2 - len(tail)
        if room >= (_BAR if "   " in tail else min(_BAR, width // 3)):
            return head, tail, room
    short = f" {verdict}"
    room = width - 2 - len(short)
    head = " " if room > _LEAST_BAR else ""
    return head, short, room - len(head)


def _wordings(
    name: str, expected: int, safe: int, free: int, total: int | None, verdict: Verdict
) -> Iterator[tuple[str, str]]:
    """Words before and behind the bar, the longest first."""
    amount, said = {
        "fits": (free - safe, "{} to spare"),
        "tight": (safe - free, "safe bound {} over"),
        "no": (expected - free, "{} too much"),
    }[verdict]
    sign = "+" if verdict == "fits" else "-"
    beyond = "" if total is not None else ", total unknown"
    long = f" {verdict}, {said.format(size(amount))}"
    most = f"{long}   expected {size(expected)}, safe {size(safe)}, free {size(free)}{beyond}"
    some = f"{long}   safe {size(safe)} of {size(free)} free"
    terse = f" {verdict} {sign}{size(amount)}"
    short = shorten(name, 12)
    yield f" {name} ", most
    yield f" {name} ", some
    yield f" {name} ", long
    yield f" {name} ", terse
    yield f" {name.rpartition(' ')[2]} ", terse
    yield f" {short} ", terse
    yield " ", terse
    yield f" {name.rpartition(' ')[2]} ", f" {verdict}"


class Gauge(Lines):
    """The gauge of a plan on a machine, as wide as its place."""

    _plan: Plan | Problem | None = None
    _snapshot: Snapshot | None = None

    def show_plan(self, plan: Plan | Problem | None, snapshot: Snapshot | None) -> None:
        """Draw it; what is unknown is said."""
        self._plan, self._snapshot = plan, snapshot
        self._draw()

    def on_resize(self) -> None:
        # It may be told its plan before it has a place.
        self._draw()

    def _draw(self) -> None:
        self.show([plan_gauge(self._plan, self._snapshot, self.size.width or 80)])


def plan_gauge(plan: Plan | Problem | None, snapshot: Snapshot | None, width: int) -> Text:
    """The line for a plan's method on the device that it was planned for."""
    if isinstance(plan, Problem):
        return Text(shorten(f" fit: no plan, since {plain(plan.what)}", width), "dim", no_wrap=True)
    if plan is None or snapshot is None:
        return Text(shorten(" fit: nothing to size yet", width), "dim", no_wrap=True)
    fit = plan.chosen()
    name = "RAM"
    total: int | None = snapshot.host.ram_total_bytes
    gpu = planned_gpu(plan, snapshot)
    if plan.device.value == "cuda":
        # The device may have gone since the plan was made.
        name, total = (f"GPU{gpu.label}", gpu.total_bytes) if gpu else ("GPU", None)
    return gauge_line(
        f"{fit.method} on {name}",
        fit.estimate.expected_bytes,
        fit.estimate.safe_bytes,
        fit.free_bytes,
        total,
        fit.verdict,
        width,
    )
