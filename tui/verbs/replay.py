"""--replay SESSION: plan, run, and compare with what the session recorded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tunewright.hardware.errors import Exit
from tunewright.tui import say
from tunewright.tui.verbs.common import (
    add_hardware,
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

    from tunewright.engine.replay import Comparison, Difference
    from tunewright.engine.run.rundir import RunDir
    from tunewright.engine.session import Recorded, Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_running(parser)
    parser.add_argument(
        "--on",
        choices=("recorded", "here"),
        help="plan against the recorded machine or this one (default: here; dry runs: recorded)",
    )
    add_hardware(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.planner import plan_recorded, replan
    from tunewright.engine.session import load_session

    path = Path(options.replay).expanduser()
    path = path / "session.json" if path.is_dir() else path
    session = _on_device(load_session(path), options)
    base = path.absolute().parent
    on = options.on or ("recorded" if options.dry_run else "here")
    asked = _asked(session, options)

    # The plan is made anew from the inputs as they were recorded, and must come out the same;
    # what was asked for on top changes it afterwards, on purpose.
    planned, differences = replan(session, base, on, named_machine(options))
    wanted = planned if asked == session else plan_recorded(asked, planned.recorded)
    if differences:
        return _plan_differs(planned, differences, on, options.json)
    if options.dry_run:
        return _dry_run(session, wanted, asked != session, options.json)
    return _replay(options, path, session, wanted, asked != session)


def _on_device(session: Session, options: argparse.Namespace) -> Session:
    """The session with the device that was asked for: which one it is makes no other plan."""
    inputs = session.inputs
    inputs = msgspec.structs.replace(
        inputs,
        device=options.device or inputs.device,
        when_busy=options.when_busy or inputs.when_busy,
    )
    return msgspec.structs.replace(session, inputs=inputs)


def _asked(session: Session, options: argparse.Namespace) -> Session:
    overrides = parse_overrides(options.set)
    stages = parse_stages(options.stages)
    if not overrides and stages is None:
        return session
    inputs = session.inputs
    inputs = msgspec.structs.replace(
        inputs,
        overrides={**inputs.overrides, **overrides},
        stages=inputs.stages if stages is None else stages,
    )
    return msgspec.structs.replace(session, inputs=inputs)


def _plan_differs(
    planned: Session, differences: tuple[Difference, ...], on: str, as_json: bool
) -> int:
    from tunewright.engine.ready import does_not_fit

    say.note("the plan is not the one that was recorded:")
    _say_differences(differences)
    assert planned.plan is not None
    if planned.plan.fits and (fit := planned.plan.chosen()).verdict == "no":
        # What stops it comes before what is merely not the same.
        raise does_not_fit(fit)
    if as_json:
        say.data({"plan_differences": differences})
    recorded = "" if on == "recorded" else "--on recorded plans for the recorded machine; "
    say.note(f"  cure: {recorded}a new plan: remove `plan` and `recorded` from the session")
    return Exit.REPLAY_DIFFERS


def _dry_run(session: Session, wanted: Session, changed: bool, as_json: bool) -> int:
    from tunewright.tui.plan_text import cost_data, plan_lines

    plan, prices = wanted.plan, None
    assert plan is not None
    if os.environ.get("TUNEWRIGHT_PRICES"):
        from tunewright.hardware.prices import own_prices

        prices = own_prices()
    if as_json:
        say.data({"plan": plan, "plan_differences": []} | cost_data(wanted, prices))
    else:
        for line in plan_lines(wanted, prices):
            say.line(line)
        say.line()
        made = "made now: the session had none" if session.plan is None else "as recorded"
        say.line("plan: " + ("as recorded but for what was asked for" if changed else made))
    return Exit.DOES_NOT_FIT if plan.chosen().verdict == "no" else Exit.DONE


def _replay(
    options: argparse.Namespace, path: Path, session: Session, planned: Session, changed: bool
) -> int:
    from tunewright.hardware.take import take_snapshot
    from tunewright.tui.follow import follow

    recorded, unfinished = _with_expectation(session, path)
    threads = recorded.environment.threads if recorded else {}
    launching = launch_options(options, threads)
    here = take_snapshot() if options.on == "recorded" else None
    run_dir = start(planned, path.absolute().parent, options, launching, here)
    if options.detach:
        return launched(run_dir, as_json=options.json)
    ended = follow(run_dir, stop_on_interrupt=True, quiet=options.json)
    code = say_ending(run_dir, ended)
    answer: dict[str, Any] = {"run": summary(run_dir, ended), "plan_differences": []}
    if code == Exit.DONE:
        part = options.max_steps is not None or planned.inputs.stages != session.inputs.stages
        if recorded is not None and recorded.expect is not None:
            if planned.inputs.overrides == session.inputs.overrides:
                if unfinished:
                    say.note(f"the recorded run is {unfinished}: only what it has is compared")
                comparison = _compare(recorded, run_dir, whole=not part and not unfinished)
                answer["comparison"] = comparison
                code = Exit.DONE if comparison.equal else Exit.REPLAY_DIFFERS
            else:
                say.note("not compared: --set made it another run")
        elif planned.recorded is None:
            code = _compare_served(path, run_dir, answer)
        elif not part and not changed:
            _record(planned, path, run_dir)
            answer["recorded"] = str(path)
    if options.json:
        say.data(answer)
    return code


def _with_expectation(session: Session, path: Path) -> tuple[Recorded | None, str]:
    """What the session recorded, or for a run directory's session.json what that run gave; and the
    state of that run when it is not done ("" else)."""
    from tunewright.engine.planner import recorded_by
    from tunewright.engine.run.rundir import RunDir
    from tunewright.engine.run.view import view

    recorded = session.recorded
    if recorded is None or recorded.expect is not None:
        return recorded, ""
    if not (path.parent / "run.json").is_file():
        return recorded, ""
    run = RunDir(path.parent)
    state = view(run).state
    return recorded_by(run, session).recorded, "" if state == "done" else state


def _compare_served(path: Path, run_dir: RunDir, answer: dict[str, Any]) -> int:
    """A session of a server's model records no machine: it is held against the run it stands in."""
    from tunewright.engine.replay import compare_figures, expectation_of
    from tunewright.engine.run.rundir import RunDir as Run

    if not (path.parent / "run.json").is_file():
        say.note("not compared: a server's figures stand in its run directory; replay that one")
        return Exit.DONE
    comparison = compare_figures(expectation_of(Run(path.parent)), expectation_of(run_dir))
    answer["comparison"] = comparison
    _say_comparison(comparison)
    return Exit.DONE if comparison.equal else Exit.REPLAY_DIFFERS


def _compare(recorded: Recorded, run_dir: RunDir, *, whole: bool) -> Comparison:
    from tunewright.engine.replay import compare_results, environment_of, expectation_of

    environment = environment_of(run_dir)
    assert environment is not None
    comparison = compare_results(recorded, expectation_of(run_dir), environment, whole=whole)
    _say_comparison(comparison)
    return comparison


def _say_comparison(comparison: Comparison) -> None:
    say.note("replay: decisions and plan as recorded")
    if comparison.equal:
        how = comparison.tolerance or "digit for digit"
        say.note(f"replay: {comparison.compared} equal, {how}")
    else:
        say.note(f"replay DIFFERS ({comparison.compared} compared):")
        _say_differences(comparison.differences)
    for cause in comparison.causes:
        say.note(f"  around it: {cause}")


def _record(planned: Session, path: Path, run_dir: RunDir) -> None:
    from tunewright.engine.planner import recorded_by
    from tunewright.engine.session import save_session

    try:
        save_session(recorded_by(run_dir, planned), path)
    except OSError as error:
        say.note(
            f"note: {path} cannot be written ({error.strerror}), so the next replay has nothing "
            f"to be compared with; replay {run_dir.session} instead"
        )
    else:
        say.note(f"recorded in {path}: the next replay is compared with this run")


def _say_differences(differences: tuple[Difference, ...], most: int = 12) -> None:
    from tunewright.engine.text import shorten

    for difference in differences[:most]:
        was, now = (shorten(str(v), 60) for v in (difference.recorded, difference.now))
        say.note(f"  {difference.where}: {was} -> {now}")
    if len(differences) > most:
        say.note(f"  and {len(differences) - most} more")
