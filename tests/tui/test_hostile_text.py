"""Text of data, models, logs, sessions and processes is shown, never obeyed, in any pane or box."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import unicodedata
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from live import PROGRAM
from rich.cells import cell_len
from rich.text import Text
from runs import ending, step, write_run
from screens import drive, shown, until, write_session
from terminal import Terminal
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.decide.answers import Answers
from tunewright.engine.prove.baseline import Baseline
from tunewright.engine.prove.evaluate import Comparison, Evaluation
from tunewright.engine.prove.likelihood import Likelihood
from tunewright.engine.prove.measure import Measured
from tunewright.engine.prove.score import Scores
from tunewright.engine.prove.statistics import Interval, PairedTest
from tunewright.engine.run.events import (
    Evaluated,
    Note,
    Sample,
    StageDone,
    StageStarted,
    Warned,
)
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.session import load_session, save_session
from tunewright.engine.ship.merge import MergeResult, MergeTry
from tunewright.engine.ship.verify import Agreement, Difference
from tunewright.hardware.snapshot import Disk, Gpu, GpuProcess, Host, Snapshot, Trouble
from tunewright.tui.app import TunewrightApp
from tunewright.tui.screens.text import LongText
from tunewright.tui.widgets.lines import strip_of
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
    View("prove", ("7",), "row base tuned"),
    View("prove-second-row", ("7", "j"), ">    2"),
    View("prove-whole", ("7", "v"), "the marked row"),
    View("prove-why", ("7", "w", "G"), "Intervals: percentile", False),
    View("ship", ("8",), "adapter alone"),
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
    write_results(run)
    place = made.with_name("session.place.json")
    place.write_bytes(msgspec.json.encode(Place(run=str(run.path))))
    return made


# An answer that a model never ended: a megabyte, of letters two cells wide too.
ENDLESS = (HOSTILE + "\u754c[red]w\u200b") * 10_000


def write_results(run: RunDir) -> None:
    """All that Prove and Ship read, by somebody who means ill."""
    half = Interval(0.5, 0.1, 0.9, 4, HOSTILE)
    test = PairedTest(half, 2, 1, 0.25, HOSTILE)
    answers = (ENDLESS, HOSTILE, "", "{}")

    def measured(shots: int) -> Measured:
        scores = Scores("text", (1, 0, 0, 1), (1.0, 0.0, 0.0, 1.0))
        return Measured(shots, answers, (9, 9, 9, 9), 1, scores, half, half, None, 0, 1.0)

    likely = Likelihood(1.0, 2.7, 4, (1.0,) * 4, (1,) * 4)
    rows, wants = (0, 1, 2, 3), (HOSTILE, ENDLESS, HOSTILE, "")
    base = Baseline(
        {}, HOSTILE, "text", "f1", rows, 1, wants, 9, measured(0), measured(3), likely, None, 1.0
    )
    compared = Comparison(3, "better", test, test, None)
    tuned = Evaluation(
        {}, HOSTILE * 50, "text", "f1", rows, 1, wants, measured(0), likely, compared, None, 1.0
    )
    differs = Agreement(False, 8, 1, 0.5, Difference(1, 2, HOSTILE, ENDLESS), HOSTILE)
    tries = (MergeTry(HOSTILE, None, HOSTILE), MergeTry("float16", differs))
    merged = MergeResult({}, HOSTILE, HOSTILE, HOSTILE, 5, tries, 1.0)
    for stage, result in (("baseline", base), ("evaluate", tuned), ("merge", merged)):
        (run.results / f"{stage}.json").write_bytes(msgspec.json.encode(result))
    for name in ("merged", "adapter"):
        (run.path / name).mkdir()
        card = f"# x\n\n## Use\n\n```python\n{HOSTILE}\n{ENDLESS}\n```\n"
        (run.path / name / "README.md").write_text(card)


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
        for key in (
            "9",
            "x",
            "\x1b",
            "7",
            "v",
            "\x1b",
            "w",
            "\x1b",
            "y",
            "8",
            "6",
            "v",
            "\x1b",
            "o",
        ):
            terminal.press(key)
            terminal.read(0.3)
        # What was copied is encoded, and what is in it is plain.
        copied = re.findall(rb"\x1b\]52;c;([^\x07\x1b]*)(?:\x07|\x1b\\\\)", terminal.sent)
        assert len(copied) == 1
        assert not obeyed(base64.b64decode(copied[0]).decode())
        for sequence in (
            b"\x1b]0;",
            b"\x1b]52;c;b3du",
            b"\x1b[31mz",
            b"\x9b31m",
            "\u202e".encode(),
        ):
            at = terminal.sent.find(sequence)
            assert at < 0, terminal.sent[max(0, at - 200) : at + 200]
        assert "owned" not in terminal.screen.title
        assert LITERAL.encode() in terminal.sent


def test_results_that_do_not_agree_with_each_other_are_shown_as_far_as_they_do(
    session: Path,
) -> None:
    (run,) = (path.parent for path in session.parent.parent.glob("home/runs/*/run.json"))
    file = run / "results" / "evaluate.json"
    told = json.loads(file.read_bytes())
    told["tuned"]["scores"]["exact"] = [1]
    told["tuned"]["answers"] = ["only one"]
    told["wants"] = told["wants"][:2]
    file.write_text(json.dumps(told))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("7")
        await until(pilot, lambda: "held-out rows" in shown(app))
        await pilot.press("G", "v")
        await until(pilot, lambda: "the marked row" in shown(app))
        await pilot.press("escape", "k", "v")
        await until(pilot, lambda: isinstance(app.screen, LongText))
        assert isinstance(app.screen, LongText)
        told = "\n".join(line.plain for line in app.screen.lines)
        assert "only one" in told
        # Of the megabyte that the base wrote, not all is wrapped.
        assert "more characters" in told
        assert len(told) < 200_000

    drive(session, walk)


def test_a_line_that_nobody_made_plain_is_not_obeyed_either() -> None:
    strip = strip_of(Text(f"\t{HOSTILE}", "bold").append("more", "red"), 200)
    assert not obeyed(strip.text)
    assert LITERAL in strip.text
    assert strip.cell_length == 200
