"""size [MODEL]: what it takes to tune a model here, before there is any data."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tunewright.hardware.errors import Exit, Problem
from tunewright.tui import say
from tunewright.tui.verbs.common import add_hardware, add_json
from tunewright.tui.verbs.size_compare import add_compare, compare
from tunewright.tui.verbs.size_serve import add_serve, serve
from tunewright.tui.verbs.sizes import (
    add_ask,
    ask_of,
    check_numbers,
    figures,
    is_beyond_plans,
    overrides_of,
    reverse,
    tell_reverse,
    tell_ways,
    way_cost,
    way_data,
)
from tunewright.tui.verbs.traced import add_trace, tell_trace, trace_data, trace_plan

if TYPE_CHECKING:
    import argparse

    from tunewright.engine.changes import Change
    from tunewright.engine.choose import Option
    from tunewright.engine.plan import Plan
    from tunewright.engine.session import Inputs, Recorded
    from tunewright.engine.sizing import WhatIf


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help="a model folder, ORG/NAME in the Hugging Face cache, or demo:smollm2-135m-instruct; "
        "without it the screen opens",
    )
    add_ask(parser)
    add_hardware(parser)
    add_trace(parser)
    parser.add_argument(
        "--table", action="store_true", help="the often quoted hardware table beside our figures"
    )
    parser.add_argument(
        "--no-correction",
        action="store_true",
        help="without the correction by what earlier runs of the kind measured",
    )
    parser.add_argument(
        "--ascii", action="store_true", help="draw the screen with ASCII characters only"
    )
    add_serve(parser)
    add_compare(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    check_numbers(options)
    if options.compare is not None:
        return compare(options)
    if options.table:
        return _table(options)
    if options.model is None:
        return _open(options)
    if options.serve:
        return serve(options)
    from tunewright.engine.changes import cheapest_changes
    from tunewright.engine.choose import options as ways_of
    from tunewright.engine.choose import recommend
    from tunewright.engine.sizing import WhatIf
    from tunewright.hardware.prices import own_prices

    inputs, recorded, source = _look(options)
    what_if = WhatIf(inputs, recorded, assumed=True)
    plan = what_if.advised if options.method == "auto" else what_if.plan(options.method)
    if isinstance(plan, Problem):
        raise plan
    traced = trace_plan(what_if, plan) if options.trace else None
    shape, machine = recorded.model, recorded.snapshot
    ask = ask_of(options, shape.max_position_embeddings)
    found = ways_of(shape, machine, ask)
    best, because, rule = recommend(found)
    prices = own_prices(options.prices)
    beyond = is_beyond_plans(options)
    shown = best or min(found, key=lambda one: one.estimate.expected_bytes)
    verdict = shown.verdict if beyond else plan.chosen().verdict
    changes: tuple[Change, ...] = ()
    if verdict != "fits" and best is None:
        changes = cheapest_changes(shape, machine, ask)
    answers = reverse(shape, machine, ask)
    if options.json:
        estimate = shown.estimate if beyond else plan.chosen().estimate
        say.data(
            _as_data(what_if, plan, source)
            | figures(estimate)
            | {"fits": verdict, "speed": shown.speed, "hours": shown.hours}
            | {"ways": [way_data(option) for option in found]}
            | {"recommended": None if best is None else best.id, "because": because, "rule": rule}
            | {"reverse": answers}
            | {"changes": [
                {"what": one.what, "costs": one.costs, "way": way_data(one.option)}
                for one in changes
            ]}
            | ({} if traced is None else {"trace": trace_data(traced)})
        )  # fmt: skip
    else:
        _tell(what_if, plan, source, None if not beyond else shown)
        if traced is not None:
            tell_trace(traced, plan.chosen().estimate)
        say.line()
        tell_ways(found, because, best)
        if prices is not None:
            say.line(way_cost(shown, machine, prices))
        say.line()
        tell_reverse(answers)
        for one in changes:
            say.line(f"would fit: {one.what} (costs {one.costs}): {one.option.id}")
    considered = plan.fits if options.method == "auto" else (plan.chosen(),)
    nothing = all(fit.verdict == "no" for fit in considered)
    if (beyond and shown.verdict == "no") or (not beyond and nothing and best is None):
        say.note("nothing fits: a smaller model, shorter rows (--seq-len), or free memory")
        return Exit.DOES_NOT_FIT
    return Exit.DONE


def _table(options: argparse.Namespace) -> int:
    from tunewright.engine.quoted_sizes import beside_quoted, told

    rows = beside_quoted(options.max_length or 2048)
    if options.json:
        say.data({"table": rows})
        return Exit.DONE
    for row in rows:
        say.line(told(row))
    return Exit.DONE


def _open(options: argparse.Namespace) -> int:
    flags = (options.max_length, options.batch, options.json, options.serve, options.trace)
    if any(flags) or options.method != "auto":
        raise Problem(
            "which model is to be sized?",
            why="--seq-len, --micro-batch, --method, --serve, --trace and --json go with a MODEL",
            cure="tunewright size MODEL, for instance demo:smollm2-135m-instruct",
        )
    if not sys.stdout.isatty():
        raise Problem(
            "which model is to be sized?",
            why="without a MODEL the screen opens, and there is no terminal here",
            cure="tunewright size MODEL, for instance demo:smollm2-135m-instruct",
        )
    from tunewright.tui.opening import open_screens

    return open_screens(alone="method", plain_ascii=options.ascii, hardware=options.hardware)


def _look(options: argparse.Namespace) -> tuple[Inputs, Recorded, str]:
    """Read model and machine; rows are assumed, as long as `--seq-len` says. The last of the three
    is where the model's shape is from."""
    from pathlib import Path

    from tunewright.engine.data.assumed import assumed_facts
    from tunewright.engine.environment import read_environment
    from tunewright.engine.homes import cache_home
    from tunewright.engine.measured_peaks import read_measured
    from tunewright.engine.model import DEMO_MODEL
    from tunewright.engine.model_shape import model_shape
    from tunewright.engine.session import DataInput, Inputs, Recorded
    from tunewright.hardware.take import take_snapshot
    from tunewright.hardware.whatif import imagine

    if options.model == DEMO_MODEL:
        from tunewright.engine.demo.smollm2 import ensure_demo_model

        ensure_demo_model(cache_home(), say.note)
    shape, source = model_shape(options.model, Path.cwd(), cache_home())
    context = shape.max_position_embeddings
    if options.max_length and context and options.max_length > context:
        say.note(
            f"note: {options.max_length:,} tokens are more than the model's context, {context:,}"
        )
    snapshot = take_snapshot() if options.hardware is None else imagine(options.hardware)
    recorded = Recorded(
        snapshot=snapshot,
        environment=read_environment(snapshot.host),
        data=assumed_facts(context, options.max_length),
        model=shape,
        peaks=tuple(row for row in read_measured() if row.key.family == shape.model_type),
    )
    inputs = Inputs(
        name="size",
        model=options.model,
        data=DataInput(path="assumed"),
        overrides=overrides_of(options),
        correct_memory=not options.no_correction,
    )
    return inputs, recorded, source


def _as_data(what_if: WhatIf, plan: Plan, source: str) -> dict[str, Any]:
    from tunewright.engine.data.assumed import assumed_words

    id = plan.method.value
    return {
        "model": {"spec": what_if.inputs.model, "source": source, "shape": what_if.recorded.model},
        "rows": {
            "assumed": True,
            "said": assumed_words(what_if.recorded.data),
            "facts": what_if.recorded.data,
        },
        "simulated": what_if.recorded.snapshot.simulated,
        "device": plan.device,
        "method": plan.method,
        "methods": plan.fits,
        "settings": plan.settings,
        "room": {"length": what_if.room(id, "length"), "rows": what_if.room(id, "rows")},
    }


def _tell(what_if: WhatIf, plan: Plan, source: str, beyond: Option | None) -> None:
    from tunewright.engine.data.assumed import assumed_words
    from tunewright.engine.text import plain, size
    from tunewright.engine.train.registry import methods

    shape, chosen = what_if.recorded.model, plan.chosen()
    say.line(f"{plain(what_if.inputs.model)}: {shape.parameters:,} parameters ({plain(source)})")
    say.line(f"rows    {assumed_words(what_if.recorded.data)}")
    badge = "SIM " if what_if.recorded.snapshot.simulated else ""
    say.line(f"device  {badge}{plan.device.value}: {plain(plan.device.because)}")
    say.line(f"method  {plan.method.value}: {plain(plan.method.because)}")
    say.line()
    say.table(
        ["  method", "verdict", "   expected", "       safe", "       free", "trade-off"],
        [
            [
                ("> " if fit is chosen else "  ") + fit.method,
                fit.verdict,
                f"{size(fit.estimate.expected_bytes):>11}",
                f"{size(fit.estimate.safe_bytes):>11}",
                f"{size(fit.free_bytes):>11}",
                methods()[fit.method].in_short,
            ]
            for fit in plan.fits
        ],
    )
    say.line()
    estimate = chosen.estimate if beyond is None else beyond.estimate
    if beyond is not None:
        say.line(f"as asked, {beyond.id}: {beyond.verdict}")
    for item in estimate.items:
        say.line(f"  {size(item.bytes):>10}  {item.id:<14} {item.why}")
    say.line(f"  {size(estimate.expected_bytes):>10}  = expected")
    low, high = size(estimate.low_bytes), size(estimate.high_bytes)
    say.line(f"likely {low} to {high}; safe bound {size(estimate.safe_bytes)}")
    if estimate.allocated is not None and estimate.reserved is not None:
        say.line(
            f"torch counts {size(estimate.allocated.expected_bytes)} allocated and "
            f"{size(estimate.reserved.expected_bytes)} reserved; nvidia-smi shows the whole"
        )
    if estimate.host_bytes:
        say.line(f"and {size(estimate.host_bytes)} in host memory")
    say.line()
    length, rows = what_if.room(chosen.method, "length"), what_if.room(chosen.method, "rows")
    if length and rows:
        say.line(f"room for rows of {length:,} tokens, or {rows:,} rows a micro-batch")
    else:
        say.line("room for not even one row")
    for assumption in estimate.assumptions:
        say.line(f"assumed: {assumption}")
