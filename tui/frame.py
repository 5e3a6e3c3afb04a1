"""The lines around every pane, as text: the path, the bench, the commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.cells import cell_len
from rich.text import Text

from tunewright.engine.data.example import DataFacts
from tunewright.engine.devices.planned import planned_gpu
from tunewright.engine.plan import Plan
from tunewright.engine.text import shorten
from tunewright.hardware.errors import Problem
from tunewright.hardware.snapshot import Snapshot
from tunewright.tui.commands import Command, key_name, of_pane, on_key
from tunewright.tui.looking import DataFound, ModelFound
from tunewright.tui.steps import RUNS, STEPS
from tunewright.tui.workbench import Workbench


def path_line(at: str, confirmed: tuple[str, ...], width: int) -> Text:
    """The steps with their keys; done ones are ticked, the present one stands in brackets."""
    for titles in (True, False):
        line = Text(no_wrap=True)
        for step in (*STEPS, RUNS):
            tick = "✓" if step.id in confirmed else " "
            if step.id == at:
                line.append(f"[{step.key} {step.title}]", "bold reverse")
            elif titles:
                line.append(f" {step.key}{tick}{step.title}", "" if tick == "✓" else "dim")
            else:
                line.append(f" {step.key}{tick}", "" if tick == "✓" else "dim")
        if line.cell_len <= width:
            break
    return line


def bench_line(bench: Workbench, width: int) -> Text:
    """What is on the bench: session, model, rows, device and what is free there, live.

    Where it is too long the names give way first: what is free is what changes.
    """
    measured, rows, machine = _measured(bench), _rows(bench), _planned_device(bench)
    short = rows.partition(",")[0]
    for most, told in ((24, rows), (14, rows), (14, short), (8, short), (0, short), (0, "")):
        parts = [shorten(bench.inputs.name, max(most, 8)), _model(bench, most)]
        said = " " + " │ ".join(part for part in (*parts, measured, told, machine) if part)
        if cell_len(said) <= width:
            break
    return Text(said, style="dim", no_wrap=True)


def _measured(bench: Workbench) -> str:
    """The figure of the decision, once it was measured; nothing while it is provisional."""
    measured = bench.decided.facts.measured if bench.decided else None
    if bench.decided is None or measured is None:
        return ""
    figure = measured.figure_of(bench.decided.decision.verdict)
    return f"measured {figure.mean:.2f} {measured.metric}"


def _model(bench: Workbench, most: int) -> str:
    if not most:
        return ""
    name = shorten(bench.inputs.model.rpartition(":")[2].rstrip("/").rpartition("/")[2], most)
    if isinstance(bench.model, ModelFound):
        return name
    return f"{name} (?)" if bench.model is None else f"{name}: not usable"


def _rows(bench: Workbench) -> str:
    data = bench.data
    if isinstance(data, DataFound):
        if isinstance(data.facts, DataFacts):
            return f"{data.facts.rows:,} rows, p95 {data.facts.length_p95:,} tok"
        return f"{len(data.train):,} rows"
    name = Path(bench.inputs.data.path).name.rpartition(":")[2]
    return f"{shorten(name, 20)}: not usable" if isinstance(data, Problem) else ""


def _planned_device(bench: Workbench) -> str:
    """The device of the plan; before there is one, the device that it would be."""
    snapshot, plan = bench.snapshot, bench.plan
    if snapshot is not None and isinstance(plan, Plan) and plan.devices:
        gpu = planned_gpu(plan, snapshot)
        if gpu is not None:
            return device(msgspec.structs.replace(snapshot, gpus=(gpu,)))
    return device(snapshot)


def device(snapshot: Snapshot | None) -> str:
    """The device that training would run on and what is free there, short."""
    if snapshot is None:
        return "looking at the machine"
    known = [gpu for gpu in snapshot.gpus if gpu.free_bytes is not None]
    badge = "SIM " if snapshot.simulated else ""
    if known:
        gpu = max(known, key=lambda gpu: gpu.free_bytes or 0)
        name = gpu.name.removeprefix("NVIDIA ").removeprefix("GeForce ")
        return f"{badge}GPU{gpu.label} {shorten(name, 20)}, {_about(gpu.free_bytes)} free"
    return f"{badge}no GPU, {_about(snapshot.host.ram_available_bytes)} RAM free"


def _about(free: int | None) -> str:
    """GiB to a tenth: finer digits change each second, and each change goes over the line."""
    return "unknown" if free is None else f"{free / 2**30:.1f} GiB"


def bar_line(pane: str, why_not: Callable[[str], str | None], width: int) -> Text:
    """The commands of a pane with their keys; one that can do nothing now stands in brackets.

    What does not fit is left to `?`, which always does.
    """
    line = Text(" ", no_wrap=True)
    reasons = {command.name: why_not(command.name) for command in of_pane(pane)}
    shown = [
        command
        for command in of_pane(pane)
        if command.bar and command is on_key(pane, command.keys[0], reasons.get)
    ]
    last = [command for command in shown if command.name in ("back", "help", "quit")]
    rest = [command for command in shown if command not in last]
    # What can be done now has the room first, and of that the way forward: before the way back.
    rest.sort(key=lambda command: (reasons[command.name] is not None, command.keys[0] != "enter"))
    off = {command.name: reasons[command.name] is not None for command in shown}

    def cells(command: Command) -> int:
        return len(key_name(command)) + len(command.title) + 3 + off[command.name]

    # What follows the last one needs no room.
    width += 1 if off[last[-1].name] else 2
    if 1 + sum(cells(command) for command in (*last, *rest[:1])) > width:
        last = [command for command in last if command.name != "back"]
    tail = sum(cells(command) for command in last)
    for command in rest:
        if line.cell_len + cells(command) + tail <= width:
            _command(line, key_name(command), command.title, off=off[command.name])
    for command in last:
        _command(line, key_name(command), command.title, off=off[command.name])
    line.rstrip()
    return line


def _command(line: Text, key: str, title: str, *, off: bool) -> None:
    if off:
        line.append(f"({key} {title})", "dim").append(" ")
    else:
        line.append(key, "bold").append(f" {title}  ")
