"""`size --trace`: the traced step beside the closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunewright.tui import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tunewright.engine.plan import Plan
    from tunewright.engine.sizing import WhatIf
    from tunewright.engine.trace.setup import TraceResult
    from tunewright.hardware.memory.estimate import MemoryEstimate, Range

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


def tell_trace(traced: TraceResult, estimate: MemoryEstimate) -> None:
    """Print the trace beside the closed form, in the counts that both have."""
    from tunewright.engine.text import plain, size

    say.line()
    say.line(
        f"traced  {size(traced.allocated_bytes)} of tensors at the peak, in {traced.peak_phase}"
        f" ({traced.layers_traced} of {traced.layers} layers run, {traced.seconds:.1f} s)"
    )
    say.table(
        ["", "    traced", "closed form"],
        [
            [name, f"{size(found):>10}", f"{size(own.expected_bytes if own else None):>11}"]
            for name, found, own in _counts(traced, estimate)
        ],
    )
    say.line()
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


def _counts(
    traced: TraceResult, estimate: MemoryEstimate
) -> Iterator[tuple[str, int, Range | None]]:
    yield "allocated", traced.allocated_bytes, estimate.allocated
    if traced.reserved_bytes is not None:
        yield "reserved", traced.reserved_bytes, estimate.reserved


def trace_data(traced: TraceResult) -> dict[str, Any]:
    """The trace as JSON data, bytes as whole numbers."""
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(traced)
    return data
