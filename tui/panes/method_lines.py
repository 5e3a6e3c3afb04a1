"""What the Method screen says, as lines made from a plan: no Textual here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from tunewright.engine.data.assumed import assumed_words
from tunewright.engine.pace import pace_of, pace_words
from tunewright.engine.plan import Plan
from tunewright.engine.plan_cost import cost_words
from tunewright.engine.sizing import WhatIf
from tunewright.engine.text import counted, shorten, size
from tunewright.engine.train.registry import method, methods
from tunewright.hardware.errors import Problem
from tunewright.hardware.prices import Prices
from tunewright.tui.fit_text import said_of
from tunewright.tui.labelled import labelled
from tunewright.tui.widgets.gauge import STYLES
from tunewright.tui.widgets.rows import Row

if TYPE_CHECKING:
    from tunewright.engine.changes import Change


def method_rows(what_if: WhatIf) -> list[Row]:
    """The methods: a star is what is advised, a dot what the session has asked for instead."""
    advised = what_if.advised
    shown = advised if isinstance(advised, Plan) else None
    rows = []
    for id, entry in methods().items():
        plan = what_if.plan(id)
        mark = "*" if shown and shown.method.value == id else "•" if id == what_if.in_use else " "
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


def nothing_fits(what_if: WhatIf) -> bool:
    """Whether no method fits, so that what is advised is only the smallest one."""
    advised = what_if.advised
    return isinstance(advised, Plan) and advised.method.rule == "method.nothing-fits"


def advice_lines(what_if: WhatIf, marked: str, width: int) -> list[Text]:
    """Why the marked method is advised, or what speaks against it, in at most three lines."""
    lines: list[Text] = []
    in_use = what_if.in_use
    if what_if.assumed:
        label = _capital(assumed_words(what_if.recorded.data))
        lines += labelled("", label, width, 1, "", "bold")
    advised, plan = what_if.advised, what_if.plan(marked)
    if isinstance(plan, Problem):
        rest = f"{plan.why}. {_capital(plan.cure)}"
        lines += labelled("! ", plan.what, width, 1, "bold red")
        return [*lines, *labelled("  ", rest, width, 3 - len(lines))]
    if isinstance(advised, Plan) and advised.method.value == marked:
        head = "* smallest: " if nothing_fits(what_if) else "* advised: "
        text = advised.method.because
        if in_use is not None and in_use != marked:
            text += f". You asked for {method(in_use).title}"
        text += f". {_capital(method(marked).trade_off)}"
        return [*lines, *labelled(head, text, width, 3 - len(lines), "bold")]
    head = "• your choice: " if marked == in_use else f"{method(marked).title}: "
    text = f"{said_of(plan.chosen())}; {method(marked).trade_off}"
    return [*lines, *labelled(head, text, width, 3 - len(lines), "bold")]


def change_lines(changes: Sequence[Change] | None, width: int) -> list[Text]:
    """What would make a training fit where none does, the cheapest first; None while it is looked
    for."""
    if changes is None:
        text = "looking for what would"
    elif not changes:
        text = "no smaller model and no machine of the catalogue was found that would do"
    else:
        text = "; or ".join(_said_of_change(change) for change in changes)
    return labelled("would fit: ", text, width, 2, "bold")


def _said_of_change(change: Change) -> str:
    """A change as it is called on this screen, not by its flag."""
    said = change.what
    for flag, title in (("--seq-len", "max length"), ("--", "")):
        said = said.replace(flag, title)
    return said


def room_lines(what_if: WhatIf, plan: Plan, width: int, prices: Prices | None = None) -> list[Text]:
    """How much more would fit with all else as it stands, what the training costs where there are
    prices, and the first warning of the plan."""
    id, facts = plan.method.value, what_if.recorded.data
    length, rows = what_if.room(id, "length"), what_if.room(id, "rows")
    text = "not even one row"
    if length and rows:
        context = what_if.recorded.model.max_position_embeddings
        whole = ", the model's context" if length == context else ""
        most = ", all of them" if rows == facts.rows else ""
        now = plan.value("training.per_device_train_batch_size")
        text = (
            f"rows of {length:,} tokens{whole} (longest now {facts.length_max:,}), or "
            f"{counted(rows, 'row')} at once{most} (now {now:,})"
        )
    alone = not plan.warnings and prices is None
    lines = labelled("room for: ", text, width, 2 if alone else 1, "bold")
    if prices is not None:
        lines += labelled("cost: ", cost_words(plan, what_if.recorded, prices), width, 1, "bold")
    if plan.warnings:
        more = len(plan.warnings) - 1
        rest = f" ({more} more: w)" if more else ""
        lines += labelled("! ", plan.warnings[0] + rest, width, 1, "bold")
    return lines


def pace_lines(what_if: WhatIf, plan: Plan, width: int) -> list[Text]:
    """Tokens a second and hours, and whether they were measured; nothing where neither is known."""
    pace = pace_of(plan, what_if.recorded)
    return [] if pace is None else labelled("Pace: ", pace_words(pace), width, 2)


def problem_lines(problem: Problem, key: str, width: int) -> list[Text]:
    """Why there is nothing to plan, and the key that helps."""
    return [
        *labelled("! ", problem.what, width, 3, "bold red", "bold"),
        Text(),
        *labelled("why   ", problem.why, width, 5, "dim"),
        *labelled("cure  ", problem.cure, width, 5, "dim"),
        Text(),
        *labelled("", key, width, 2),
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
