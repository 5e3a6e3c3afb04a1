"""`tunewright`, then `enter` and nothing else: a fine-tune of the demo runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest
from live import PROGRAM, Live
from terminal import Terminal

from tunewright.engine.demo.smollm2 import (
    CONVERSION,
    MANIFEST,
    NAME,
    FileHash,
    Source,
    demo_model_at,
)
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.run.view import view

# Machine, Goal, Data, Model, Method, Train, and room for questions about the goal.
PRESSES = 20


def stand_in(model: Path, cache: Path) -> None:
    """Have the tiny model where the demo's would be: it is fetched and trained in seconds."""
    folder = cache / "models" / NAME
    shutil.copytree(model, folder)
    files = {path.name: FileHash(path.stat().st_size, "") for path in folder.iterdir()}
    source = Source(CONVERSION, "", "", "", "", "", "", {}, files)
    (folder / MANIFEST).write_bytes(msgspec.json.encode(source))
    assert demo_model_at(cache) == folder


def walk_with_enter(home: Path) -> None:
    """Press enter until a run trains; then leave, and find it still there."""
    base = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLORTERM")}
    base |= {"TUNEWRIGHT_HOME": str(home), "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    with Terminal([PROGRAM], base) as terminal:
        terminal.until("[1 Machine]")
        terminal.until("tok │")
        for _ in range(PRESSES):
            if "enter launches it" in terminal.shown:
                break
            before = terminal.shown
            terminal.press("\r")
            for _ in range(100):
                if terminal.shown != before:
                    break
                terminal.read(0.05)
            # Data, model and plan are looked at in threads.
            terminal.read(0.5)
        terminal.until("enter launches it")
        terminal.press("\r")
        terminal.until("RUNNING")
        terminal.until("[train]", patience=600)
        terminal.until("tok/s", patience=300)
        terminal.press("d")
        assert terminal.ended() == 0
    (record,) = home.glob("runs/*/run.json")
    run = RunDir(record.parent)
    assert view(run).alive
    # It is offered first when the program is opened again.
    with Terminal([PROGRAM], base) as terminal:
        terminal.until("[6 Train]")
        terminal.until(run.read_record().id)
        terminal.until("step ")
        terminal.press("x")
        terminal.until("Stop this run?")
        terminal.press("y")
        terminal.until("STOPPED", patience=120)
        terminal.press("q")
        assert terminal.ended() == 0


@pytest.mark.timeout(400)
def test_enter_alone_leads_a_newcomer_to_a_running_fine_tune(live: Live, tiny_model: Path) -> None:
    stand_in(tiny_model, live.home / "cache")
    walk_with_enter(live.home)
