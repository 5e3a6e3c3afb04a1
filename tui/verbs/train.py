"""train MODEL DATA: one line from a model and a file to a detached run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit, Problem
from tunewright.tui import say
from tunewright.tui.verbs.common import (
    add_hardware,
    add_prices,
    add_running,
    launch_options,
    launched,
    named_machine,
    parse_overrides,
    parse_stages,
    say_ending,
    start,
    summary,
)

if TYPE_CHECKING:
    import argparse

    from tunewright.engine.session import Inputs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="a model folder, or demo:smollm2-135m-instruct"
    )
    parser.add_argument(
        "data", metavar="DATA", help="a file, a folder or a glob of rows, or demo:orders"
    )
    parser.add_argument("--eval-data", metavar="FILE", help="held-out rows; else a share of DATA")
    parser.add_argument("--eval-fraction", type=float, default=0.1, metavar="F")
    parser.add_argument("--format", default="auto", help="as in tunewright data check --format")
    parser.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="FIX",
        help="a fix of tunewright data fix, made as the rows are read; may be repeated",
    )
    parser.add_argument("--method", default="auto", help="lora, qlora or full (default: auto)")
    parser.add_argument("--name", help="what to call the run (default: the data file's name)")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the planned session here")
    parser.add_argument(
        "--probe",
        action="store_true",
        help="take two real steps on the longest rows instead: the peak beside its prediction, and "
        "the speed, which later plans then go by",
    )
    add_hardware(parser)
    add_prices(parser)
    add_running(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.planner import replan
    from tunewright.engine.session import VERSION, Session, rebase, save_session
    from tunewright.hardware.prices import own_prices
    from tunewright.tui.follow import follow
    from tunewright.tui.plan_text import cost_data, plan_lines

    here = Path.cwd()
    if options.probe and options.stages is not None:
        raise Problem(
            "--probe and --stages were both given",
            why="a probe is a stage of its own, and the only one then",
            cure="--probe alone, or --stages probe,train for a probe before the training",
        )
    session = Session(version=VERSION, inputs=_inputs(options))
    launching = launch_options(options, {})
    planned, _ = replan(session, here, "here", named_machine(options))
    if options.save is not None:
        save_session(rebase(planned, here, options.save.absolute().parent), options.save)
        say.note(f"session written to {options.save}")
    if options.dry_run:
        prices = own_prices(options.prices)
        if options.json:
            say.data({"plan": planned.plan} | cost_data(planned, prices))
        else:
            for line in plan_lines(planned, prices):
                say.line(line)
        assert planned.plan is not None
        return Exit.DOES_NOT_FIT if planned.plan.chosen().verdict == "no" else Exit.DONE
    run_dir = start(planned, here, options, launching)
    if options.detach:
        return launched(run_dir, as_json=options.json)
    ended = follow(run_dir, stop_on_interrupt=True, quiet=options.json)
    if options.json:
        say.data(summary(run_dir, ended))
    return say_ending(run_dir, ended)


def _inputs(options: argparse.Namespace) -> Inputs:
    from tunewright.engine.session import DataInput, Inputs

    def spec(text: str) -> str:
        return str(Path(text).expanduser()) if text.startswith("~") else text

    return Inputs(
        name=options.name or Path(options.data.partition(":")[2] or options.data).stem,
        model=spec(options.model),
        data=DataInput(
            path=spec(options.data),
            format=options.format,
            eval_path=spec(options.eval_data) if options.eval_data else None,
            eval_fraction=options.eval_fraction,
            fixes=tuple(options.fix),
        ),
        method=options.method,
        seed=options.seed,
        overrides=parse_overrides(options.set),
        stages=("probe",) if options.probe else parse_stages(options.stages),
        device=options.device or "auto",
        when_busy=options.when_busy or "another",
    )
