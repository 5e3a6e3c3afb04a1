"""The evidence run of a session as the screens see it: why it cannot start, starting it, how far
it is. No Textual here."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tunewright.engine.data.example import DataFacts
from tunewright.engine.evidence.decision import Decided
from tunewright.engine.evidence.given import EvidenceInput
from tunewright.engine.planner import plan_recorded
from tunewright.engine.ready import check_ready
from tunewright.engine.results import read_decision
from tunewright.engine.run.events import Note, Progress, StageStarted
from tunewright.engine.run.launch import launch
from tunewright.engine.run.reader import RunEvents
from tunewright.engine.run.rundir import LaunchOptions, RunDir
from tunewright.engine.run.stages import EVIDENCE
from tunewright.engine.run.view import view
from tunewright.engine.session import VERSION, Inputs, Recorded, Session
from tunewright.engine.text import duration
from tunewright.tui.looking import DataFound
from tunewright.tui.workbench import Workbench

LOOK_SECONDS = 1.0


class Watched(msgspec.Struct, frozen=True):
    """How an evidence run stands. `told` in a line; `decided` once it is done."""

    alive: bool
    told: str
    decided: Decided | None = None


def cannot_measure(bench: Workbench, watched: Watched | None) -> str | None:
    """Why the evidence run cannot start now; None when it can."""
    if watched is not None and watched.alive:
        return "it is being measured"
    if not isinstance(bench.data, DataFound) or not isinstance(bench.data.facts, DataFacts):
        return "data and model have to be known first"
    if bench.recorded() is None:
        return "the machine is still looked at"
    if bench.data.counted.broken:
        return f"repair the rows first: {bench.data.counted.troubles[0].message}"
    return None


def start_measuring(inputs: Inputs, recorded: Recorded, base: Path) -> RunDir:
    """Plan and launch the evidence run of a session. A `Problem` when it cannot be."""
    measured = msgspec.structs.replace(
        inputs,
        name=f"decide-{inputs.name}",
        stages=EVIDENCE,
        evidence=inputs.evidence or EvidenceInput(),
        # What sizes the whole training is no advice for a pilot.
        overrides={},
    )
    planned = plan_recorded(Session(version=VERSION, inputs=measured), recorded)
    check_ready(planned, None)
    return launch(planned, base, LaunchOptions())


def watch(run: RunDir) -> Watched:
    """Look at an evidence run: slow, so it is done in a thread."""
    now = view(run)
    if now.state == "done":
        return Watched(False, "done", read_decision(run))
    if not now.alive:
        ended = now.ended
        assert ended is not None
        return Watched(False, f"{now.state}: {ended.what}; {ended.cure or ended.why}")
    told = "starting"
    for event in RunEvents(run.events).read_new():
        if isinstance(event, StageStarted):
            told = event.title
        elif isinstance(event, Progress):
            left = f", {duration(event.eta_seconds)} left" if event.eta_seconds else ""
            told = f"{event.stage} {event.done}/{event.total} {event.unit}{left}"
        elif isinstance(event, Note) and event.text.startswith("pilot on"):
            told = event.text
    return Watched(True, told)
