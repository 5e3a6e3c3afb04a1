"""`size --trace`: the traced step beside the closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunewright.tui import say

if TYPE_CHECKING:
    import argparse

    from tunewright.engine.plan import Plan
    from tunewright.engine.sizing import WhatIf
    from tunewright.engine.trace.setup import TraceResult

_SHOWN = 10


def add_trace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trace",
        action="store_true",
        help="run the real training step on fake tensors as well (about ten seconds, no GPU)",
    )


def trace_plan(what_if: WhatIf, plan: Plan) -> TraceResult:
    """Trace the step of the plan's method and settings; `Problem` as `trace`."""
    from pathlib import Path

    from tunewright.engine.homes import cache_home
    from tunewright.engine.model import resolve_model
    from tunewright.engine.trace.mapping import trace_setup
    from tunewright.engine.trace.trace import trace
    from tunewright.engine.train.registry import method
    from tunewright.hardware.fit import most_free_gpu

    recorded = what_if.recorded
    gpu = most_free_gpu(recorded.snapshot)
    setup = method(plan.method.value).training_setup(
        plan.device.value,
        None if gpu is None else gpu.compute_capability,
        {key: decision.value for key, decision in plan.settings.items()},
        recorded.data.length_max,
    )
    folder = resolve_model(what_if.inputs.model, Path.cwd(), cache_home())
    return trace(folder, trace_setup(setup), cache=cache_home())


def tell_trace(traced: TraceResult, expected_bytes: int) -> None:
    """Print the trace, and how far the closed form is from it."""
    from tunewright.engine.text import plain, size

    say.line()
    reserved = traced.reserved_bytes
    say.line(
        f"traced  {size(traced.allocated_bytes)} of tensors at the peak, in {traced.peak_phase}"
        + ("" if reserved is None else f"; {size(reserved)} reserved by torch's cache")
    )
    say.line(f"        the closed form expects {size(expected_bytes)} for the whole process")
    for family, amount in traced.items.items():
        say.line(f"  {size(amount):>10}  {family}")
    say.line()
    say.table(
        ["phase", "   highest"],
        [[phase, f"{size(amount):>10}"] for phase, amount in traced.phases.items()],
    )
    say.line()
    say.line("largest at the peak")
    for held in traced.at_peak[:_SHOWN]:
        say.line(f"  {size(held.bytes):>10}  {plain(held.name)} ({held.count})")
    for assumption in traced.assumptions:
        say.line(f"assumed: {assumption}")


def trace_data(traced: TraceResult) -> dict[str, Any]:
    """The trace as JSON data, bytes as whole numbers."""
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(traced)
    return data
