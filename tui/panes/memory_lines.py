"""Where the memory of a plan goes, as lines and rows: no Textual here."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tunewright.engine.plan import Plan
from tunewright.engine.text import plain, size
from tunewright.hardware.memory.estimate import MemoryEstimate, MemoryItem
from tunewright.tui.labelled import labelled
from tunewright.tui.widgets.rows import Row

# Shades of the stacked bar, by turns: two that touch always differ, and an item's own bar has the
# shade of its stretch.
_SHADES = "█▒░"


def item_lines(estimate: MemoryEstimate, width: int, height: int | None = None) -> list[Text]:
    """The expected peak as one stacked bar, its items with bars of their own, and their sum: in
    `height` lines, where that is known, so that the sum is always seen."""
    items = estimate.items if height is None else _fewer(estimate.items, max(1, height - 2))
    largest = max((item.bytes for item in items), default=0) or 1
    room = max(0, width - 25)
    lines = [stacked_bar(items, width)]
    for at, item in enumerate(items):
        cells = round(room * max(0, item.bytes) / largest)
        bar = _SHADES[at % len(_SHADES)] * max(cells, 1 if item.bytes > 0 and room else 0)
        lines.append(
            Text(f"{item.id:<13} {_signed(item.bytes):>10} ", "" if item.bytes else "dim").append(
                bar
            )
        )
    lines.append(Text(f"{'= expected':<13} {size(estimate.expected_bytes):>10}", "bold"))
    return lines


def _fewer(items: Sequence[MemoryItem], most: int) -> Sequence[MemoryItem]:
    """At most `most` items of the same sum: those of no bytes go first, then the smallest are put
    together."""
    if len(items) <= most:
        return items
    kept = [item for item in items if item.bytes]
    if len(kept) <= most:
        return kept
    large = sorted(kept, key=lambda item: -abs(item.bytes))[: most - 1]
    rest = sum(item.bytes for item in kept if item not in large)
    return [*(item for item in kept if item in large), MemoryItem("others", rest, "")]


def stacked_bar(items: Sequence[MemoryItem], width: int) -> Text:
    """All items in one line of `width` cells, each as long as its share of their sum; an item too
    small for a cell shows none."""
    whole = sum(max(0, item.bytes) for item in items) or 1
    drawn, upto, bar = 0, 0, ""
    for at, item in enumerate(items):
        upto += max(0, item.bytes)
        end = round(width * upto / whole)
        bar += _SHADES[at % len(_SHADES)] * (end - drawn)
        drawn = end
    return Text(bar)


def _signed(amount: int) -> str:
    return size(amount) if amount >= 0 else f"-{size(-amount)}"


def memory_rows(estimate: MemoryEstimate, bars: int) -> list[Row]:
    """Every memory item with its share, as a bar of up to `bars` cells too, and its formula."""
    whole = estimate.expected_bytes or 1
    rows = [
        Row(
            item.id,
            (
                item.id,
                _signed(item.bytes),
                f"{item.bytes / whole:.0%}",
                "█" * round(bars * max(0, item.bytes) / whole),
                Text(plain(item.why), "dim"),
            ),
            "" if item.bytes else "dim",
        )
        for item in estimate.items
    ]
    total = Text("= expected peak", "bold")
    rows.append(Row("", (total, size(estimate.expected_bytes), "100%", "", "the sum of all")))
    return rows


def memory_lines(plan: Plan, key: str, width: int) -> list[Text]:
    """The formula of one item in full, the range, and what the estimate assumes."""
    lines: list[Text] = []
    for item in plan.chosen().estimate.items:
        if item.id == key:
            lines += labelled(f"{item.id}: ", item.why, width, 2, "bold")
    lines += [Text()] * (2 - len(lines))
    return [*lines, *assumption_lines(plan, width)]


def assumption_lines(plan: Plan, width: int) -> list[Text]:
    """What the estimate of a plan assumes, and its likely range."""
    estimate = plan.chosen().estimate
    low, high = size(estimate.low_bytes), size(estimate.high_bytes)
    lines = labelled("The peak is likely ", f"{low} to {high}. Assumed:", width, 1)
    for assumption in estimate.assumptions:
        lines += labelled("· ", assumption, width, 2, "", "dim")
    return lines
