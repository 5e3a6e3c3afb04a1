"""Arguments and endings that several verbs share."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewright.hardware.errors import Exit, Problem

if TYPE_CHECKING:
    import argparse

    from tunewright.engine.run.rundir import LaunchOptions, RunDir
    from tunewright.engine.run.view import RunView
    from tunewright.engine.session import Session
    from tunewright.hardware.snapshot import Snapshot


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="data on stdout, notes on stderr")


def add_hardware(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--hardware",
        metavar="SPEC",
        help="another machine than this one: '8x H100 80GB', 'RTX 4090 + RTX 3090', "
        "'A100 80GB mig 3g.40gb', or a file that `tunewright hardware --json` wrote",
    )


def add_prices(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--prices",
        type=Path,
        metavar="FILE",
        help='your own prices, TOML: currency = "EUR" and, for each part, [prices."RTX 4090"] with '
        "per_hour = 0.4, or purchase = 1900 and years = 3 (default: $TUNEWRIGHT_PRICES)",
    )


def named_machine(options: argparse.Namespace) -> Snapshot | None:
    """The machine of `--hardware`, which can only be planned on; None for this one."""
    if options.hardware is None:
        return None
    from tunewright.hardware.whatif import imagine

    machine = imagine(options.hardware)
    if not options.dry_run:
        raise Problem(
            f"nothing can be launched on {options.hardware}",
            why="--hardware describes a machine that is not here",
            cure="add --dry-run to plan on it",
        )
    return machine


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", help="a run's id, the start of one, a path, or `last`"
    )


def add_running(parser: argparse.ArgumentParser) -> None:
    """What `train` and `--replay` share."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting by its library's name, e.g. learning_rate=1e-4; may be repeated",
    )
    parser.add_argument(
        "--device",
        metavar="D",
        help="auto, cpu, or devices by number or UUID, e.g. 0, 0:1 (a MIG slice), GPU-5a1f, "
        "0,1 (one of them), 0+1 (together, a process on each); "
        "of several the one with the most free memory (default: auto)",
    )
    parser.add_argument(
        "--when-busy",
        choices=("another", "wait"),
        help="where others hold the device's memory: take another one, or wait until it is free",
    )
    parser.add_argument(
        "--stages", metavar="A,B", help="only these stages: baseline,train,evaluate,merge"
    )
    parser.add_argument(
        "--max-steps",
        type=int,
        metavar="N",
        help="stop training after N steps; the learning-rate schedule stays that of the whole run",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="checkpoint and stop after so long; exit code 75",
    )
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="where the run is kept")
    parser.add_argument("--python", metavar="PATH", help="the interpreter that runs the worker")
    parser.add_argument("--detach", action="store_true", help="launch and return at once")
    parser.add_argument("--dry-run", action="store_true", help="plan, print, and launch nothing")
    add_json(parser)


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """`KEY=VALUE` pairs as overrides under their full names; a `Problem` for what is not one."""
    from tunewright.engine.train.names import parse_setting

    overrides: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise Problem(
                f"--set {pair} says no value",
                why="it takes KEY=VALUE",
                cure=f"--set {pair}=…",
            )
        full, parsed, said = parse_setting(key.strip(), value.strip())
        if said:
            from tunewright.tui import say

            say.note(f"note: {said}")
        overrides[full] = parsed
    return overrides


def parse_stages(text: str | None) -> tuple[str, ...] | None:
    """`a,b` as stage ids; the planner orders them and refuses what cannot run."""
    return None if text is None else tuple(p.strip() for p in text.split(",") if p.strip())


def start(
    planned: Session,
    base: Path,
    options: argparse.Namespace,
    launching: LaunchOptions,
    here: Snapshot | None = None,
) -> RunDir:
    """Launch a planned session, or say why it cannot be; whose relative paths start from `base`.
    `here` is this machine, when the plan was made for another one."""
    from tunewright.engine.ready import check_ready
    from tunewright.engine.run.launch import launch
    from tunewright.hardware.host import logout_kills
    from tunewright.tui import say

    check_ready(planned, options.python, here)
    trouble = logout_kills()
    if trouble is not None:
        say.note(f"warning: {trouble.what}\n  why:  {trouble.why}\n  cure: {trouble.cure}")
    run_dir = launch(planned, base, launching, options.run_dir)
    say.note(f"run {run_dir.read_record().id} in {run_dir.path}")
    return run_dir


def launched(run: RunDir, *, as_json: bool) -> int:
    """Tell which run goes on without this client."""
    from tunewright.engine.run.rundir import spoken
    from tunewright.tui import say

    record = run.read_record()
    if as_json:
        say.data({"id": record.id, "path": str(run.path)})
    else:
        say.line(spoken(run, record.id))
    return Exit.DONE


def launch_options(options: argparse.Namespace, threads: dict[str, int]) -> LaunchOptions:
    """The options of one attempt; a `Problem` for numbers that make no sense."""
    from tunewright.engine.run.rundir import LaunchOptions

    for name, value in (("--max-steps", options.max_steps), ("--timeout", options.timeout)):
        # Written so that NaN is refused as well.
        if value is not None and not 0 < value < inf:
            raise Problem(f"{name} {value} is not above 0", why="it counts up", cure=f"{name} 10")
    return LaunchOptions(
        max_steps=options.max_steps,
        timeout_seconds=options.timeout,
        python=options.python,
        threads=threads,
    )


def summary(run: RunDir, ended: RunView) -> dict[str, Any]:
    """How a run stands, as data."""
    return {
        "id": ended.record.id,
        "path": str(run.path),
        "state": ended.state,
        "attempts": len(ended.record.attempts),
        "created": ended.record.created,
        "ended": ended.ended,
    }


def say_ending(run: RunDir, ended: RunView) -> int:
    """Tell how the run ended on stderr; its exit code."""
    from tunewright.engine.run.rundir import spoken
    from tunewright.engine.text import plain
    from tunewright.tui import say

    record, name = ended.ended, spoken(run, ended.record.id)
    if record is None:
        return Exit.DONE
    if record.state != "done":
        say.note(f"\n{name} {record.state}: {plain(record.what)}")
        for label, text in (("why: ", record.why), ("cure:", record.cure)):
            if text:
                say.note(f"  {label} {plain(text)}")
    else:
        say.note(f"\n{name} done; what it proved: tunewright report {name}")
    return record.exit
