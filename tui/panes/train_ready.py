"""Train before a run: what will be launched, or what keeps it from being launched. Pure."""

from __future__ import annotations

from rich.text import Text

from tunewright.engine.plan import Plan
from tunewright.engine.session import Session
from tunewright.engine.text import plain, size
from tunewright.engine.train.registry import method
from tunewright.engine.train.rules.batch import count_steps, rows_an_epoch
from tunewright.hardware.errors import Problem
from tunewright.tui.panes.problem_lines import problem_lines
from tunewright.tui.widgets.axis import number
from tunewright.tui.widgets.lines import wrapped

# What each stage is for, said before it is launched.
_PURPOSES = {
    "baseline": "the base model answers the held-out rows: what tuning must beat",
    "train": "",
    "evaluate": "the tuned model answers the same rows: better, or by chance?",
    "merge": "base and adapter become one model, checked to answer the same",
}


def ready_lines(
    session: Session, plan: Plan, trouble: Problem | None, warning: str, width: int
) -> list[Text]:
    """What will be launched, stage by stage; or what keeps it from being launched."""
    name = plain(session.inputs.name)
    lines = [Text(f"Ready to launch {name}" if trouble is None else "Not ready yet", "bold")]
    lines.append(Text())
    purposes = _PURPOSES | {"train": _training_said(session, plan)}
    for at, stage in enumerate(plan.stages, 1):
        line = Text().append(f"  {at} {plain(stage.title):<24}", "bold")
        lines += wrapped(line.append(purposes.get(stage.id, "")), width, 28)
    fit = plan.chosen()
    lines.append(Text())
    lines += wrapped(
        f"Memory: {size(fit.estimate.expected_bytes)} expected at the peak, "
        f"{size(fit.estimate.safe_bytes)} to be safe, {size(fit.free_bytes)} free.",
        width,
    )
    for text in plan.warnings:
        lines += wrapped(Text(f"! {plain(text)}", "yellow"), width, 2)
    if warning:
        lines += wrapped(Text(f"! {plain(warning)}", "yellow"), width, 2)
    lines.append(Text())
    if trouble is not None:
        return lines + problem_lines(trouble, width)
    return lines + wrapped(
        Text()
        .append("enter launches it. ", "bold")
        .append(
            "It runs on its own: closing this screen or losing the connection does not touch it."
        ),
        width,
    )


def _training_said(session: Session, plan: Plan) -> str:
    values = {key: decision.value for key, decision in plan.settings.items()}
    assert session.recorded is not None
    rows = rows_an_epoch(values, session.recorded.data)
    batch = (
        values["training.per_device_train_batch_size"]
        * values["training.gradient_accumulation_steps"]
    )
    return (
        f"{method(plan.method.value).title}, {count_steps(values, rows):,} steps of {batch} "
        f"rows, learning rate {number(values['training.learning_rate'], 2)}"
    )


def unread_lines(trouble: Problem, launches: bool, width: int) -> list[Text]:
    """Why the session's run cannot be shown, and whether another can be launched."""
    lines = [Text("The run cannot be read", "bold"), *problem_lines(trouble, width), Text()]
    if launches:
        lines += wrapped(Text("enter launches the session as a new run", "bold"), width)
    return lines


def unplanned_lines(trouble: Problem | None, width: int) -> list[Text]:
    """Why there is nothing to launch yet."""
    if trouble is None:
        return [
            Text("Nothing to launch yet", "bold"),
            *wrapped("Machine, model and data are still being looked at: a moment.", width),
        ]
    return [Text("Nothing to launch yet", "bold"), *problem_lines(trouble, width)]
