"""What the Method screen says, as lines made from a plan: no Textual here."""

from __future__ import annotations

import textwrap
from typing import Any

from rich.text import Text

from tunewright.engine.data.assumed import assumed_words
from tunewright.engine.pace import pace_of, pace_words
from tunewright.engine.plan import Decision, MethodFit, Plan
from tunewright.engine.plan_cost import cost_words
from tunewright.engine.sizing import WhatIf
from tunewright.engine.text import plain, shorten, size
from tunewright.engine.train.defaults import total_steps
from tunewright.engine.train.registry import method, methods
from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.estimate import MemoryEstimate
from tunewright.hardware.prices import Prices
from tunewright.tui.knobs import KNOBS, told
from tunewright.tui.widgets.gauge import STYLES
from tunewright.tui.widgets.rows import Row

# Knobs that follow from others: told beside a change that moves them too.
_WARNING = "warning:"
_FOLLOWS = {knob.key: knob.title for knob in KNOBS}


def method_rows(what_if: WhatIf, in_use: str | None) -> list[Row]:
    """The methods: a star is what is advised, a dot what the session has asked for instead."""
    advised = what_if.advised
    shown = advised if isinstance(advised, Plan) else None
    rows = []
    for id, entry in methods().items():
        plan = what_if.plan(id)
        mark = "*" if shown and shown.method.value == id else "•" if id == in_use else " "
        if isinstance(plan, Problem):
            rows.append(Row(id, (f"{mark} {entry.title}", "?", "", "", shorten(plan.what, 60))))
            continue
        fit = plan.chosen()
        rows.append(
            Row(
                id,
                (
                    Text(f"{mark} {entry.title}", "bold" if mark != " " else ""),
                    Text(fit.verdict, f"bold {STYLES[fit.verdict]}"),
                    size(fit.estimate.expected_bytes),
                    size(fit.estimate.safe_bytes),
                    entry.in_short,
                ),
            )
        )
    return rows


def advice_lines(what_if: WhatIf, marked: str, in_use: str | None, width: int) -> list[Text]:
    """Why the marked method is advised, or what speaks against it, in at most three lines."""
    lines: list[Text] = []
    if what_if.assumed:
        label = _capital(assumed_words(what_if.recorded.data))
        lines += wrapped("", label, width, 1, "", "bold")
    advised, plan = what_if.advised, what_if.plan(marked)
    if isinstance(plan, Problem):
        rest = f"{plan.why}. {_capital(plan.cure)}"
        lines += wrapped("! ", plan.what, width, 1, "bold red")
        return [*lines, *wrapped("  ", rest, width, 3 - len(lines))]
    if isinstance(advised, Plan) and advised.method.value == marked:
        head = "* advised: " if advised.method.rule != "method.nothing-fits" else "* smallest: "
        text = advised.method.because
        if in_use is not None and in_use != marked:
            text += f". You asked for {method(in_use).title}"
        text += f". {_capital(method(marked).trade_off)}"
        return [*lines, *wrapped(head, text, width, 3 - len(lines), "bold")]
    head = "• your choice: " if marked == in_use else f"{method(marked).title}: "
    text = f"{said_of(plan.chosen())}; {method(marked).trade_off}"
    return [*lines, *wrapped(head, text, width, 3 - len(lines), "bold")]


def said_of(fit: MethodFit) -> str:
    """The verdict with the figure that it hangs on."""
    estimate, free = fit.estimate, fit.free_bytes
    if fit.verdict == "fits":
        return f"fits, {size(free - estimate.safe_bytes)} to spare"
    if fit.verdict == "tight":
        over = size(estimate.safe_bytes - free)
        return f"tight: its safe bound is {over} over the {size(free)} that are free"
    over = size(estimate.expected_bytes - free)
    return f"does not fit: it needs {over} more than the {size(free)} that are free"


# Shades of the stacked bar, by turns: two that touch always differ, and an item's own bar has the
# shade of its stretch.
_SHADES = "█▒░"


def item_lines(estimate: MemoryEstimate, width: int) -> list[Text]:
    """The expected peak as one stacked bar, and its items with bars of their own, and the sum."""
    most = max((item.bytes for item in estimate.items), default=0) or 1
    room = max(0, width - 25)
    lines = [stacked_bar(estimate, width)]
    for at, item in enumerate(estimate.items):
        cells = round(room * max(0, item.bytes) / most)
        bar = _SHADES[at % len(_SHADES)] * max(cells, 1 if item.bytes > 0 and room else 0)
        lines.append(
            Text(f"{item.id:<13} {_signed(item.bytes):>10} ", "" if item.bytes else "dim").append(
                bar
            )
        )
    lines.append(Text(f"{'= expected':<13} {size(estimate.expected_bytes):>10}", "bold"))
    return lines


def stacked_bar(estimate: MemoryEstimate, width: int) -> Text:
    """All items in one line of `width` cells, each as long as its share of their sum; an item too
    small for a cell shows none."""
    whole = sum(max(0, item.bytes) for item in estimate.items) or 1
    drawn, upto, bar = 0, 0, ""
    for at, item in enumerate(estimate.items):
        upto += max(0, item.bytes)
        end = round(width * upto / whole)
        bar += _SHADES[at % len(_SHADES)] * (end - drawn)
        drawn = end
    return Text(bar)


def _signed(amount: int) -> str:
    return size(amount) if amount >= 0 else f"-{size(-amount)}"


def price(before: Plan, after: Plan | Problem, value: Any, what_if: WhatIf) -> Text:
    """What the step to `value` costs: the memory, or what it changes instead; the verdict when it
    becomes another one."""
    if isinstance(after, Problem):
        return Text(f"{told(value)}: not possible", "dim")
    line = Text(f"{told(value)}: ")
    was, now = before.chosen(), after.chosen()
    more = now.estimate.expected_bytes - was.estimate.expected_bytes
    if now.verdict != was.verdict:
        # First, so that a narrow column cuts the figure and not the verdict.
        line.append(now.verdict, f"bold {STYLES[now.verdict]}").append(" ")
    if more:
        line.append(f"{'+' if more > 0 else '-'}{size(abs(more))}")
    else:
        facts = what_if.recorded.data
        steps = total_steps(before.settings, facts), total_steps(after.settings, facts)
        line.append("same memory" if steps[0] == steps[1] else f"{steps[1]:,} steps", "dim")
    return line


def knob_lines(
    key: str, before: Plan, after: Plan | Problem | None, value: Any, width: int
) -> list[Text]:
    """Why a knob stands where it does, and what its next step brings along; two lines."""
    decision = before.settings[key]
    name = key.partition(".")[2]
    why = wrapped(f"{name}: ", _because(decision), width, 1 if after is not None else 2, "bold")
    if isinstance(after, Problem):
        return [*why, *wrapped(f"{told(value)}: ", f"{after.what}; {after.why}", width, 1, "bold")]
    if after is None:
        return why
    others = [
        f"{title} {told(before.value(other))} → {told(after.value(other))}"
        for other, title in _FOLLOWS.items()
        if other != key and other in before.settings and other in after.settings
        and before.value(other) != after.value(other)
    ]  # fmt: skip
    brings = f"brings along {', '.join(others)}; " if others else ""
    return [*why, *wrapped(f"{told(value)}: ", brings + said_of(after.chosen()), width, 1, "bold")]


def room_lines(what_if: WhatIf, plan: Plan, width: int, prices: Prices | None = None) -> list[Text]:
    """How much more would fit with all else as it stands, what the training costs where there are
    prices, and the first warning of the plan."""
    id, facts = plan.method.value, what_if.recorded.data
    length, rows = what_if.room(id, "length"), what_if.room(id, "rows")
    text = "not even one row; a smaller model, or free memory"
    if length and rows:
        context = what_if.recorded.model.max_position_embeddings
        whole = ", the model's context" if length == context else ""
        most = ", all of them" if rows == facts.rows else ""
        now = plan.value("training.per_device_train_batch_size")
        text = (
            f"rows of {length:,} tokens{whole} (longest now {facts.length_max:,}), or "
            f"{rows:,} rows at once{most} (now {now:,})"
        )
    alone = not plan.warnings and prices is None
    lines = wrapped("room for: ", text, width, 2 if alone else 1, "bold")
    if prices is not None:
        lines += wrapped("cost: ", cost_words(plan, what_if.recorded, prices), width, 1, "bold")
    if plan.warnings:
        more = len(plan.warnings) - 1
        rest = f" ({more} more: w)" if more else ""
        lines += wrapped("! ", plan.warnings[0] + rest, width, 1, "bold")
    return lines


def pace_lines(what_if: WhatIf, plan: Plan, width: int) -> list[Text]:
    """Tokens a second and hours, and whether they were measured; nothing where neither is known."""
    pace = pace_of(plan, what_if.recorded)
    return [] if pace is None else wrapped("Pace: ", pace_words(pace), width, 2)


def assumption_lines(plan: Plan, width: int) -> list[Text]:
    """What the estimate of a plan assumes, and its likely range."""
    estimate = plan.chosen().estimate
    low, high = size(estimate.low_bytes), size(estimate.high_bytes)
    lines = wrapped("The peak is likely ", f"{low} to {high}. Assumed:", width, 1)
    for assumption in estimate.assumptions:
        lines += wrapped("· ", assumption, width, 2, "", "dim")
    return lines


def _because(decision: Decision) -> str:
    """The reason on one line; what a person set says what was advised instead."""
    if decision.rule == "override" and decision.alternatives:
        return f"you set it; advised is {told(decision.alternatives[0].value)}"
    return decision.because


def reason_rows(what_if: WhatIf, plan: Plan) -> list[Row]:
    """Every decision: what was decided, and why. A person's own ones are marked and come first."""
    all_ = {"method": plan.method, "device": plan.device, **plan.settings}
    advised = what_if.advised
    if isinstance(advised, Plan) and advised.method.value == plan.method.value:
        all_["method"] = advised.method
    rows = [
        Row(
            key,
            (
                "you" if decision.rule == "override" else "",
                key,
                told(decision.value),
                Text(plain(_because(decision)), "dim"),
            ),
        )
        for key, decision in all_.items()
    ]
    rows.sort(key=lambda row: row.cells[0] != "you")
    warnings = [
        Row(f"{_WARNING}{at}", ("!", "warning", "", Text(plain(warning))))
        for at, warning in enumerate(plan.warnings)
    ]
    return [*warnings, *rows]


def reason_lines(plan: Plan, key: str, width: int, most: int) -> list[Text]:
    """One decision in full: its reason, its rule, and what was not taken."""
    if key.startswith(_WARNING):
        return wrapped("warning: ", plan.warnings[int(key.removeprefix(_WARNING))], width, most)
    decision: Decision | None = {"method": plan.method, "device": plan.device}.get(key)
    decision = decision or plan.settings.get(key)
    if decision is None:
        return []
    value = plain(str(decision.value))
    lines = wrapped(f"{key} = {value}: ", decision.because, width, most, "bold")
    for other in decision.alternatives:
        lines += wrapped(f"  not {told(other.value)}: ", other.why_not, width, most)
    lines.append(Text(f"  rule {decision.rule}", "dim"))
    return lines[:most]


def memory_rows(estimate: MemoryEstimate, width: int) -> list[Row]:
    """Every memory item with its share and its formula."""
    whole = estimate.expected_bytes or 1
    room = 20 if width >= 76 else 8
    rows = [
        Row(
            item.id,
            (
                item.id,
                _signed(item.bytes),
                f"{item.bytes / whole:.0%}",
                "█" * round(room * max(0, item.bytes) / whole),
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
            lines += wrapped(f"{item.id}: ", item.why, width, 2, "bold")
    lines += [Text()] * (2 - len(lines))
    return [*lines, *assumption_lines(plan, width)]


def problem_lines(problem: Problem, key: str, width: int) -> list[Text]:
    """Why there is nothing to plan, and the key that helps."""
    return [
        *wrapped("! ", problem.what, width, 3, "bold red", "bold"),
        Text(),
        *wrapped("why   ", problem.why, width, 5, "dim"),
        *wrapped("cure  ", problem.cure, width, 5, "dim"),
        Text(),
        *wrapped("", key, width, 2),
    ]


def wrapped(
    head: str, text: str, width: int, most: int, style: str = "", rest: str = ""
) -> list[Text]:
    """`head` and untrusted `text` in at most `most` lines of `width`; the last ends in an ellipsis
    when there is more."""
    if most <= 0:
        return []
    lines = textwrap.wrap(
        plain(head + text),
        max(width, 12),
        # Labels that end in spaces stand in a column of their own.
        subsequent_indent=" " * len(head) if head.endswith("  ") and len(head) < 10 else "  ",
        break_on_hyphens=False,
        max_lines=most,
        placeholder=" …",
        drop_whitespace=True,
    ) or [""]
    shown = [Text(line, rest) for line in lines]
    shown[0].stylize(style, 0, len(head.rstrip()))
    return shown


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
