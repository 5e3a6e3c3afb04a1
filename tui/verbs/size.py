"""size [MODEL]: what it takes to tune a model here, before there is any data."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tunewright.hardware.errors import Exit, Problem
from tunewright.tui import say
from tunewright.tui.verbs.common import add_hardware, add_json
from tunewright.tui.verbs.traced import add_trace, tell_trace, trace_data, trace_plan

if TYPE_CHECKING:
    import argparse

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
    parser.add_argument(
        "--max-length", type=int, metavar="N", help="tokens of the longest rows (default: 2048)"
    )
    parser.add_argument("--batch", type=int, metavar="N", help="rows a micro-batch")
    parser.add_argument("--method", default="auto", help="lora, qlora or full (default: auto)")
    add_hardware(parser)
    add_trace(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    if options.model is None:
        return _open(options)
    from tunewright.engine.sizing import WhatIf

    inputs, recorded = _look(options)
    what_if = WhatIf(inputs, recorded, assumed=True)
    plan = what_if.advised if options.method == "auto" else what_if.plan(options.method)
    if isinstance(plan, Problem):
        raise plan
    traced = trace_plan(what_if, plan) if options.trace else None
    if options.json:
        data = _as_data(what_if, plan)
        say.data(data if traced is None else data | {"trace": trace_data(traced)})
    else:
        _tell(what_if, plan)
        if traced is not None:
            tell_trace(traced, plan.chosen().estimate)
    considered = plan.fits if options.method == "auto" else (plan.chosen(),)
    if all(fit.verdict == "no" for fit in considered):
        say.note("nothing fits: a smaller model, shorter rows (--max-length), or free memory")
        return Exit.DOES_NOT_FIT
    return Exit.DONE


def _open(options: argparse.Namespace) -> int:
    flags = (options.max_length, options.batch, options.json or None, options.trace or None)
    if any(flag is not None for flag in flags) or options.method != "auto":
        raise Problem(
            "which model is to be sized?",
            why="--max-length, --batch, --method, --trace and --json go with a MODEL",
            cure="tunewright size MODEL, for instance demo:smollm2-135m-instruct",
        )
    if not sys.stdout.isatty():
        raise Problem(
            "which model is to be sized?",
            why="without a MODEL the screen opens, and there is no terminal here",
            cure="tunewright size MODEL, for instance demo:smollm2-135m-instruct",
        )
    from tunewright.tui.opening import open_screens

    return open_screens(alone="method", hardware=options.hardware)


def _look(options: argparse.Namespace) -> tuple[Inputs, Recorded]:
    """Read model and machine; rows are assumed, as long as `--max-length` says."""
    from pathlib import Path

    from tunewright.engine.data.assumed import assumed_facts
    from tunewright.engine.environment import read_environment
    from tunewright.engine.homes import cache_home
    from tunewright.engine.model import DEMO_MODEL, resolve_model
    from tunewright.engine.session import DataInput, Inputs, Recorded
    from tunewright.engine.train.names import parse_setting
    from tunewright.hardware.shapes import read_shape
    from tunewright.hardware.take import take_snapshot
    from tunewright.hardware.whatif import imagine

    overrides: dict[str, Any] = {}
    for name, value in (
        ("training.max_length", options.max_length),
        ("training.per_device_train_batch_size", options.batch),
    ):
        if value is not None:
            overrides[name] = parse_setting(name, value)[1]
    if options.model == DEMO_MODEL:
        from tunewright.engine.demo.smollm2 import ensure_demo_model

        ensure_demo_model(cache_home(), say.note)
    shape = read_shape(resolve_model(options.model, Path.cwd(), cache_home()))
    context = shape.max_position_embeddings
    if options.max_length and context and options.max_length > context:
        say.note(
            f"note: {options.max_length:,} tokens are more than the model's context, {context:,}"
        )
    snapshot = take_snapshot() if options.hardware is None else imagine(options.hardware)
    recorded = Recorded(
        snapshot=snapshot,
        environment=read_environment(snapshot.host),
        data=assumed_facts(context),
        model=shape,
    )
    inputs = Inputs(
        name="size", model=options.model, data=DataInput(path="assumed"), overrides=overrides
    )
    return inputs, recorded


def _as_data(what_if: WhatIf, plan: Plan) -> dict[str, Any]:
    from tunewright.engine.data.assumed import assumed_words

    id = plan.method.value
    return {
        "model": {"spec": what_if.inputs.model, "shape": what_if.recorded.model},
        "rows": {
            "assumed": True,
            "said": assumed_words(what_if.recorded.data),
            "facts": what_if.recorded.data,
        },
        "simulated": what_if.recorded.snapshot.simulated,
        "device": plan.device,
        "method": plan.method,
        "fits": plan.fits,
        "settings": plan.settings,
        "room": {"length": what_if.room(id, "length"), "rows": what_if.room(id, "rows")},
    }


def _tell(what_if: WhatIf, plan: Plan) -> None:
    from tunewright.engine.data.assumed import assumed_words
    from tunewright.engine.text import plain, size
    from tunewright.engine.train.registry import methods

    shape, chosen = what_if.recorded.model, plan.chosen()
    say.line(f"{plain(what_if.inputs.model)}: {shape.parameters:,} parameters")
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
    for item in chosen.estimate.items:
        say.line(f"  {size(item.bytes):>10}  {item.id:<14} {item.why}")
    say.line(f"  {size(chosen.estimate.expected_bytes):>10}  = expected")
    say.line()
    length, rows = what_if.room(chosen.method, "length"), what_if.room(chosen.method, "rows")
    if length and rows:
        say.line(f"room for rows of {length:,} tokens, or {rows:,} rows a micro-batch")
    else:
        say.line("room for not even one row")
    for assumption in chosen.estimate.assumptions:
        say.line(f"assumed: {assumption}")
