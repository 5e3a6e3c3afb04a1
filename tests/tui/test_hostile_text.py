"""Text of data, models, logs, sessions and processes is shown, never obeyed, in any pane or box."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from live import PROGRAM
from rich.cells import cell_len
from runs import ending, step, write_run
from screens import drive, shown, until, write_session
from terminal import Terminal
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.decide.answers import Answers
from tunewright.engine.run.events import (
    Evaluated,
    Note,
    Sample,
    StageDone,
    StageStarted,
    Warned,
)
from tunewright.engine.session import load_session, save_session
from tunewright.hardware.snapshot import Disk, Gpu, GpuProcess, Host, Snapshot, Trouble
from tunewright.tui.app import TunewrightApp
from tunewright.tui.workbench import Place

# Markup, colours, a title, the clipboard, marks that turn the line round or hide, wide letters,
# an accent on nothing, and a letter as wide as a sentence.
HOSTILE = (
    "x[bold red]y[/] \x1b[31mz\x1b[2J\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07 "
    "\u202er\u2066s\u200bt\ufeff \u754c\u754c\u754c \u0301 \ufdfd \x9b31m \x00 \r\n"
    "[@click=app.quit]q[/]"
)
# What must be on the screen where such text is: the markup as it stands.
LITERAL = "x[bold red]y"
GIB = 1 << 30


class View(NamedTuple):
    """`keys` lead to it; `literal`: text of strangers is surely in sight."""

    name: str
    keys: tuple[str, ...]
    text: str
    literal: bool = True


VIEWS = (
    View("machine", ("1",), "held by"),
    View("machine-processes", ("1", "tab"), "foreign"),
    View("goal", ("2",), "so far"),
    View("data", ("3",), "tokens"),
    View("data-tokens", ("3", "t"), "trained (loss"),
    View("data-problems", ("3", "p"), "esc close", False),
    View("model", ("4",), "parameters"),
    View("method", ("5",), "expected", False),
    View("method-why", ("5", "w"), "setting", False),
    View("train", ("6",), "FAILED"),
    View("train-log", ("6", "o"), "log; all"),
    View("train-answers", ("6", "v"), "other than wanted"),
    View("train-why", ("6", "w"), "esc close"),
    View("prove", ("7",), "measured", False),
    View("ship", ("8",), "made", False),
    View("runs", ("9",), "failed"),
    View("runs-delete", ("9", "x"), "n no", False),
    View("help", ("5", "question_mark"), "knob", False),
    View("palette", ("1", "ctrl+p"), "a command", False),
)

MACHINE = Snapshot(
    taken_at=0.0,
    host=Host(HOSTILE, HOSTILE, 8, ("avx2",), 64 * GIB, 60 * GIB,
              disks=(Disk("runs", "/" + HOSTILE, HOSTILE, 90 * GIB, 50 * GIB),)),
    gpus=(Gpu(0, "GPU-a", HOSTILE, 24 * GIB, 20 * GIB, 4 * GIB, (8, 9),
              (GpuProcess(77, 2 * GIB, HOSTILE, HOSTILE, own=False),)),),
    gpu_troubles=(Trouble(HOSTILE, HOSTILE, HOSTILE),),
    driver_version=HOSTILE,
)  # fmt: skip


@pytest.fixture
def session(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A session in which everything that a stranger may have written is hostile, with a run."""
    home = tmp_path / "home"
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(home))
    model = shutil.copytree(tiny_model, tmp_path / "x[bold red]y \u202em\u200bn")
    data = tmp_path / "x[bold red]y[b] \x1b[31m\u202erows.jsonl"
    rows = [
        {"prompt": f"{n} {HOSTILE}", "completion": f"{HOSTILE} {n}", HOSTILE: n} for n in range(60)
    ]
    data.write_text("\n".join(json.dumps(row) for row in rows))
    made = write_session(tmp_path / "session", model, TinyData(data, tiny_data.eval))
    stored = load_session(made)
    inputs = msgspec.structs.replace(
        stored.inputs,
        name=HOSTILE,
        answers=Answers(goal=HOSTILE),
        data=msgspec.structs.replace(stored.inputs.data, eval_path=None),
    )
    save_session(msgspec.structs.replace(stored, inputs=inputs), made)
    events = (
        StageStarted(stage="baseline", title=HOSTILE),
        Sample(stage="baseline", row=3, want=HOSTILE, got=HOSTILE + "2"),
        StageDone(stage="baseline", seconds=1.0, result={"verdict": HOSTILE}),
        StageStarted(stage="train", title=HOSTILE),
        *(step(n) for n in range(1, 40)),
        Evaluated(step=20, eval_loss=0.9, seconds=1.0),
        Warned(what=HOSTILE, why=HOSTILE, cure=HOSTILE),
        Note(text=HOSTILE),
    )
    failed = ending("failed", HOSTILE, HOSTILE, HOSTILE)
    run = write_run(home, tiny_model, tiny_data, events, ended=failed)
    place = made.with_name("session.place.json")
    place.write_bytes(msgspec.json.encode(Place(run=str(run.path))))
    return made


def obeyed(text: str) -> set[str]:
    """Characters that a terminal would obey or not show."""
    return {c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs")}


@pytest.mark.parametrize("size", [(80, 24), (60, 20)], ids=["80x24", "60x20"])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_hostile_text_is_shown_as_it_stands(
    view: View, size: tuple[int, int], session: Path
) -> None:
    seen = ""

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        nonlocal seen
        await until(pilot, lambda: app.bench.plan is not None)
        for key in view.keys:
            await pilot.press(key)
            await pilot.pause(0.1)
        await until(pilot, lambda: view.text in shown(app), 15)
        seen = shown(app)
        app.notice(f"said: {HOSTILE}")
        await pilot.pause()
        assert not obeyed(shown(app))

    drive(session, walk, size=size, machine=lambda: MACHINE)
    assert not obeyed(seen), seen
    assert all(cell_len(line) <= size[0] for line in seen.splitlines())
    if view.literal and size == (80, 24):
        assert LITERAL in seen


def test_nothing_of_it_reaches_the_terminal(session: Path) -> None:
    base = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
    base["LANG"] = "C.UTF-8"
    with Terminal([PROGRAM, "--session", str(session)], base) as terminal:
        terminal.until("1 Machine")
        terminal.until("enter")
        for key in (*"13456789", "2", "\x10"):
            terminal.press(key)
            terminal.read(0.5)
        terminal.press("\x1b")
        for key in ("9", "x", "\x1b", "6", "v", "\x1b", "o"):
            terminal.press(key)
            terminal.read(0.3)
        for sequence in (b"\x1b]0;", b"\x1b]52;", b"\x1b[31mz", b"\x9b31m", "\u202e".encode()):
            assert sequence not in terminal.sent
        assert "owned" not in terminal.screen.title
        assert LITERAL.encode() in terminal.sent
