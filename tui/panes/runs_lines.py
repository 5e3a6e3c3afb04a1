"""The lines of the Runs pane, from what is known of each run. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.text import Text

from tunewright.engine.run.events import Step
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.run.view import RunView
from tunewright.engine.runs import ComparedRuns
from tunewright.engine.text import duration, place, plain, shorten
from tunewright.hardware.errors import Problem
from tunewright.tui.panes.problem_lines import problem_lines
from tunewright.tui.panes.train_head import STATE_STYLES
from tunewright.tui.widgets.axis import number
from tunewright.tui.widgets.lines import wrapped
from tunewright.tui.widgets.rows import Column, Row

_DIFFERENCES_SHOWN = 40


class Listed(msgspec.Struct, frozen=True):
    """One run of the list. `stage` is the one it is in, `step` the last it took; `damaged` says why
    its directory cannot be read, and the rest is then unknown."""

    run: RunDir
    view: RunView | None
    stage: str = ""
    step: Step | None = None
    damaged: Problem | None = None

    @property
    def key(self) -> str:
        return str(self.run.path)


def in_order(runs: Sequence[Listed]) -> list[Listed]:
    """Living runs first, the newest first among equals."""
    return sorted(
        runs,
        key=lambda one: (
            one.view is None or not one.view.alive,
            -(one.view.record.created if one.view else 0.0),
        ),
    )


def run_columns(width: int) -> list[Column]:
    """Columns for a list of `width` cells."""
    columns = [Column("", 1), Column("state", 8), Column("run")]
    if width >= 70:
        columns += [Column("started", 16)]
    return [*columns, Column("how far", 18 if width >= 56 else 9, True)]


def run_row(one: Listed, marked: str | None, width: int) -> Row:
    """One run as a row; `marked` is the key of the run that others are compared with."""
    mark = "*" if one.key == marked else ""
    if one.view is None:
        cells: list[str | Text] = [mark, Text("damaged", "bold red"), plain(one.run.path.name)]
        return Row(one.key, (*cells, *[""] * (len(run_columns(width)) - 3)))
    view = one.view
    cells = [mark, Text(view.state, STATE_STYLES[view.state]), plain(view.record.id)]
    if width >= 70:
        created = time.localtime(view.record.created)
        cells.append(time.strftime("%Y-%m-%d %H:%M", created))
    return Row(one.key, (*cells, how_far(one, width)))


def how_far(one: Listed, width: int) -> str:
    """The stage and the steps, as much of it as a column has room for."""
    steps = f"{one.step.step:,}/{one.step.total_steps:,}" if one.step is not None else ""
    if one.view is None or not one.view.alive or width < 56:
        return steps
    return f"{one.stage} {steps}" if one.stage in ("train", "") else one.stage


def detail_lines(one: Listed, width: int) -> list[Text]:
    """The marked run: where it is, how it goes or how it ended, what can be done."""
    if one.view is None:
        return problem_lines(one.damaged, width) if one.damaged else []
    view, lines = one.view, []
    lines += wrapped(Text().append("in ", "dim").append(place(one.run.path)), width, 3)
    attempts = view.record.attempts
    parts = [f"attempt {len(attempts)}"] if len(attempts) > 1 else []
    if attempts:
        end = view.ended.time if view.ended else time.time()
        seconds = max(0.0, end - attempts[-1].started)
        parts.append(f"{'took' if view.ended else 'works for'} {duration(seconds)}")
    if one.step is not None:
        loss = "not finite" if one.step.loss is None else number(one.step.loss)
        parts.append(f"loss {loss} at step {one.step.step:,}")
        if view.alive and one.step.eta_seconds is not None and one.stage in ("train", ""):
            parts.append(f"left {duration(one.step.eta_seconds)} of training")
    lines += wrapped(", ".join(parts), width, 2)
    ended = view.ended
    if view.alive:
        return [*lines, Text("enter watches it; it goes on whatever happens here", "bold")]
    if ended is None or ended.state == "done":
        return [*lines, Text("enter shows what it did and proved", "bold")]
    if ended.state == "stopped":
        lines += wrapped(Text(f"stopped: {plain(ended.why or ended.what)}"), width, 2)
    else:
        problem = Problem(
            ended.what, why=ended.why or "not told", cure=ended.cure or "r resumes it"
        )
        lines += problem_lines(problem, width)
    return [*lines, Text("r goes on from its last good checkpoint", "bold")]


def no_runs_lines(width: int) -> list[Text]:
    """What stands here before the first run."""
    said = "6 goes to Train, where one is launched; it then stands here, whatever becomes of this "
    return [Text("No runs yet", "bold"), *wrapped(f"{said}terminal.", width)]


def comparison_lines(first: str, second: str, found: ComparedRuns, width: int) -> list[Text]:
    """Two runs side by side: figures, then what was planned otherwise."""
    column = max(8, (width - 24) // 2)
    name = width - 2 * column
    head = f"{'':<{name}}{_end(first, column - 1):>{column}}{_end(second, column - 1):>{column}}"
    lines = [Text(head, "bold")]
    for told, a, b in found.figures():
        cells = f"{_figure(a):>{column}}{_figure(b):>{column}}"
        lines.append(Text(f"{shorten(told, name - 1):<{name}}{cells}", "" if a == b else "bold"))
    plans = found.plan_differences
    lines += [Text(), Text(f"{len(plans)} differences in the plan", "bold")]
    for difference in plans[:_DIFFERENCES_SHOWN]:
        was, now = (shorten(str(v), 60) for v in (difference.recorded, difference.now))
        lines += wrapped(f"  {plain(difference.where)}: {was} -> {now}", width, 4)
    if len(plans) > _DIFFERENCES_SHOWN:
        lines.append(Text(f"  and {len(plans) - _DIFFERENCES_SHOWN:,} more", "dim"))
    comparison = found.comparison
    verdict = "all equal" if comparison.equal else f"{len(comparison.differences):,} differ"
    lines += [Text(), *wrapped(Text(f"{comparison.compared}: {verdict}", "bold"), width)]
    for cause in comparison.causes:
        lines += wrapped(f"  around it: {plain(cause)}", width, 4)
    return lines


def _end(run: str, width: int) -> str:
    """The name of a run: runs of one session differ in how their names end."""
    name = plain(run)
    return name if len(name) <= width else "…" + name[1 - width :]


def _figure(value: Any) -> str:
    if value is None:
        return "none"
    return number(value) if isinstance(value, float) else f"{value:,}"
