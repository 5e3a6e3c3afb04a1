"""What a knob stands for and what its next step costs, as lines: no Textual here."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rich.text import Text

from tunewright.engine.plan import Plan
from tunewright.engine.sizing import WhatIf
from tunewright.engine.text import size
from tunewright.engine.train.defaults import total_steps
from tunewright.hardware.errors import Problem
from tunewright.tui.fit_text import said_of
from tunewright.tui.knobs import KNOBS, told
from tunewright.tui.labelled import labelled
from tunewright.tui.panes.reason_lines import because_of
from tunewright.tui.widgets.gauge import STYLES

# Knobs that follow from others: told beside a change that moves them too.
_FOLLOWS = {knob.key: knob.title for knob in KNOBS}
# Of these, what moves memory as well, so that a price does not look like the knob's own.
_BRINGS = {
    "training.per_device_train_batch_size": "batch",
    "training.activation_checkpointing": "ckpt",
    "training.packing": "packing",
    "training.optim": "optimizer",
}


def price(key: str, before: Plan, after: Plan | Problem, value: Any, what_if: WhatIf) -> Text:
    """What the step of `key` to `value` costs: the memory, or what it changes instead; the verdict
    when it becomes another one; what it brings along that costs or saves memory itself."""
    if isinstance(after, Problem):
        return Text(f"{told(value)}: not possible", "dim")
    line = Text(f"{told(value)}: ")
    was, now = before.chosen(), after.chosen()
    more = now.estimate.expected_bytes - was.estimate.expected_bytes
    if now.verdict != was.verdict:
        # First, so that a narrow column cuts the figure and not the verdict.
        line.append(now.verdict, f"bold {STYLES[now.verdict]}").append(" ")
    if size(abs(more)) != size(0):
        line.append(f"{'+' if more > 0 else '-'}{size(abs(more))}")
        for other, title in _BRINGS.items():
            if other != key and _moves(before, after, other):
                line.append(f", {title} {told(after.value(other))}", "dim")
    else:
        facts = what_if.recorded.data
        steps = total_steps(before.settings, facts), total_steps(after.settings, facts)
        line.append("same memory" if steps[0] == steps[1] else f"{steps[1]:,} steps", "dim")
    return line


def knob_lines(
    key: str,
    before: Plan,
    after: Plan | Problem | None,
    value: Any,
    width: int,
    demo: Collection[str] = (),
) -> list[Text]:
    """Why a knob stands where it does, and what its next step brings along; two lines. `demo` are
    the keys of what the demo set."""
    decision = before.settings[key]
    name = key.partition(".")[2]
    because = because_of(key, decision, demo)
    why = labelled(f"{name}: ", because, width, 1 if after is not None else 2, "bold")
    if isinstance(after, Problem):
        return [*why, *labelled(f"{told(value)}: ", f"{after.what}; {after.why}", width, 1, "bold")]
    if after is None:
        return why
    others = [
        f"{title} {told(before.value(other))} → {told(after.value(other))}"
        for other, title in _FOLLOWS.items()
        if other != key and _moves(before, after, other)
    ]
    brings = f"brings along {', '.join(others)}; " if others else ""
    return [*why, *labelled(f"{told(value)}: ", brings + said_of(after.chosen()), width, 1, "bold")]


def _moves(before: Plan, after: Plan, key: str) -> bool:
    has = key in before.settings and key in after.settings
    return has and bool(before.value(key) != after.value(key))
