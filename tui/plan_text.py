"""A plan as plain text: what was decided, why, and what it costs in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tunewright.engine.pace import pace_of, pace_words
from tunewright.engine.plan import Plan
from tunewright.engine.session import Session
from tunewright.engine.text import plain, size

if TYPE_CHECKING:
    from tunewright.hardware.prices import Prices

# What most people look at; the rest is one flag away.
_SHOWN = (
    "loss.on",
    "training.learning_rate",
    "training.num_train_epochs",
    "training.per_device_train_batch_size",
    "training.gradient_accumulation_steps",
    "training.max_length",
    "training.packing",
    "evaluation.sample_rows",
    "lora.r",
    "lora.target_modules",
)


def plan_lines(
    session: Session, prices: Prices | None = None, rest: str = "--json"
) -> Iterator[str]:
    """The plan of a session, line by line, with its cost where there are prices. `rest` is where
    the settings are that are not shown. Text of the person's files is made plain."""
    plan, recorded = session.plan, session.recorded
    assert plan is not None
    yield f"{plain(session.inputs.name)}: {plain(session.inputs.model)}"
    if recorded is not None:
        data = recorded.data
        yield (
            f"data    {data.rows:,} train and {data.eval_rows:,} held-out rows ({data.format}), "
            f"{data.train_tokens:,} tokens an epoch, longest {data.length_max:,}"
        )
    badge = "SIM " if recorded is not None and recorded.snapshot.simulated else ""
    yield f"device  {badge}{plan.device.value}: {plain(plan.device.because)}"
    yield f"method  {plan.method.value}: {plain(plan.method.because)}"
    yield ""
    yield from _fits(plan)
    yield ""
    for item in plan.chosen().estimate.items:
        yield f"  {size(item.bytes):>10}  {item.id:<14} {item.why}"
    if recorded is not None and (pace := pace_of(plan, recorded)) is not None:
        yield f"  pace    {pace_words(pace)}"
    yield ""
    for key, decision in plan.settings.items():
        if key in _SHOWN or decision.rule == "override":
            yield f"  {key} = {plain(str(decision.value))}: {plain(decision.because)}"
    yield f"  ({len(plan.settings)} settings with their reasons: {plain(rest)})"
    yield ""
    if recorded is not None and prices is not None:
        from tunewright.engine.plan_cost import cost_words

        yield f"cost    {plain(cost_words(plan, recorded, prices))}"
    yield "stages  " + ", ".join(stage.id for stage in plan.stages)
    for warning in plan.warnings:
        yield f"warning {warning}"


def cost_data(session: Session, prices: Prices | None) -> dict[str, Any]:
    """{"cost": …} of a plan as data, null where it is unknown; {} without prices."""
    if prices is None or session.plan is None or session.recorded is None:
        return {}
    from tunewright.engine.plan_cost import plan_cost

    return {"cost": plan_cost(session.plan, session.recorded, prices)}


def _fits(plan: Plan) -> Iterator[str]:
    yield f"  {'method':<8} {'verdict':<8} {'expected':>10} {'safe':>10} {'free':>10}"
    for fit in plan.fits:
        mark = ">" if fit.method == plan.method.value else " "
        yield (
            f"{mark} {fit.method:<8} {fit.verdict:<8} {size(fit.estimate.expected_bytes):>10} "
            f"{size(fit.estimate.safe_bytes):>10} {size(fit.free_bytes):>10}"
        )
