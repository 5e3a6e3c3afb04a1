"""What is worth a look in a run, in a line and in full. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tunewright.engine.plan import Plan
from tunewright.engine.run.progress import RunProgress
from tunewright.engine.text import plain, shorten
from tunewright.hardware.errors import Problem
from tunewright.tui.panes.problem_lines import problem_lines
from tunewright.tui.panes.train_figures import memory_line
from tunewright.tui.widgets.axis import number
from tunewright.tui.widgets.lines import wrapped
from tunewright.tui.widgets.pyramid import Moment


def notable_line(moments: Sequence[Moment], now: RunProgress, width: int) -> Text | None:
    """The last thing worth a look, if there is one."""
    said = ""
    if now.skipped:
        said = unread(now)[0]
    elif now.warned:
        said = plain(now.warned[-1].what)
    elif moments:
        last = moments[-1]
        what = "is not finite" if last.value is None else f"jumps to {number(last.value, 3)}"
        more = f", and {len(moments) - 1:,} more" if len(moments) > 1 else ""
        said = f"loss {what} at step {last.step:,.0f}{more}"
    elif rising := eval_rises(now):
        said = rising
    if not said:
        return None
    return (
        Text(no_wrap=True)
        .append(shorten(f"! {said}", width - 8), "yellow")
        .append("  w why", "bold")
    )


def unread(now: RunProgress) -> list[str]:
    """What of the run's events cannot be read, file by file."""
    return [
        f"{count:,} lines are no events, and what they told is not shown: "
        f"{plain(str(now.run.events / name))}"
        for name, count in now.skipped.items()
    ]


def eval_rises(now: RunProgress) -> str:
    """Whether the held-out loss has risen for two evaluations since its best, in words."""
    losses = now.curves.eval_loss
    if len(losses) < 3:
        return ""
    best = losses.index(min(losses))
    if len(losses) - best < 3 or losses[-1] <= losses[best]:
        return ""
    rise = losses[-1] / losses[best] - 1
    return f"eval loss is {rise:.1%} over its best, of step {now.curves.eval_step[best]:,}".replace(
        "%", " %"
    )


def why_lines(
    moments: Sequence[Moment], now: RunProgress, plan: Plan | None, width: int
) -> list[Text]:
    """What is notable in this run and what it means."""
    lines = [line for text in unread(now) for line in wrapped(Text(f"! {text}"), width, 2)]
    for warned in now.warned:
        lines += problem_lines(Problem(warned.what, why=warned.why, cure=warned.cure), width)
    spikes = [moment for moment in moments if moment.kind == "spike"]
    if spikes:
        lines.append(Text("Spikes of the loss", "bold"))
        for moment in spikes[-12:]:
            lines.append(Text(f"  step {moment.step:>9,.0f}   {number(moment.value or 0, 4)}"))
        if len(spikes) > 12:
            lines.append(Text(f"  and {len(spikes) - 12:,} before them", "dim"))
        lines += wrapped(
            "More than six standard deviations above the running mean. One odd row or a batch of "
            "them does that. When the loss comes back within some steps there is nothing to do; "
            "when it stays, go back to a checkpoint with a lower learning rate.",
            width,
        )
    lost = [moment for moment in moments if moment.kind == "not finite"]
    if lost:
        at = ", ".join(f"{moment.step:,.0f}" for moment in lost[-8:])
        lines.append(Text(f"Not finite at {at}", "bold"))
        lines += wrapped(
            "A number overflowed. After three such steps in a row the run ends by itself; no "
            "checkpoint is written from lost weights.",
            width,
        )
    rising = eval_rises(now)
    if rising:
        lines.append(Text(rising[:1].upper() + rising[1:], "bold"))
        lines += wrapped(
            "The model starts to memorise its rows. The best checkpoint is kept when the plan has "
            "load_best_model_at_end; fewer epochs would do as well.",
            width,
        )
    memory = memory_line(now, plan, width)
    if memory is not None:
        lines += [Text("Memory", "bold"), memory]
        lines += wrapped(
            "The peak of the whole process beside the prediction of the plan. The safe bound is "
            "meant to hold in 95 % of runs.",
            width,
        )
    left = now.left()
    if left is not None and left[2] > left[1]:
        lines.append(Text("Time left", "bold"))
        lines += wrapped(
            "What the last steps took, times the steps that are left, and the evaluations. The "
            "range is what the slowest and the fastest tenth of the last 200 steps would make of "
            "it. The stages after training are not in it.",
            width,
        )
    return lines or wrapped("Nothing notable: no spike, nothing that is not finite.", width)
