"""Screens as text, compared with what was looked at and found good.

After a wanted change: UPDATE_SNAPSHOTS=1 pytest tests/tui/test_snapshots.py, then read the diff.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from jobs import finish_run
from runs import ending, step, write_run
from screens import drive, shown, until, write_session
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.plan import Plan
from tunewright.engine.run.events import (
    Checkpoint,
    Evaluated,
    Sample,
    StageDone,
    StageStarted,
)
from tunewright.engine.run.rundir import RunDir
from tunewright.hardware.snapshot import Gpu, GpuProcess, Host, Snapshot
from tunewright.tui.app import TunewrightApp

STORED = Path(__file__).with_name("snapshots")
GIB = 1 << 30

HOST = Host(
    hostname="gpu02",
    cpu_model="AMD EPYC 7763",
    cores=32,
    cpu_features=("avx2", "fma"),
    ram_total_bytes=256 * GIB,
    ram_available_bytes=200 * GIB,
)
MACHINES = {
    "gpus": Snapshot(
        taken_at=0.0,
        host=HOST,
        gpus=(
            Gpu(0, "GPU-a", "NVIDIA GeForce RTX 4090", 24 * GIB, 21 * GIB, 3 * GIB, (8, 9),
                (GpuProcess(4121, 2 * GIB, "ann", "python serve.py", own=False),)),
            Gpu(1, "GPU-b", "NVIDIA GeForce RTX 3090", 24 * GIB, 23 * GIB, GIB, (8, 6)),
        ),
        driver_version="580.65.06",
        cuda_version=(13, 0),
        simulated=True,
    ),
    "cpu": Snapshot(taken_at=0.0, host=HOST),
}  # fmt: skip


class Shot(NamedTuple):
    """`keys` lead to the screen, on which `text` must stand before it is taken."""

    name: str
    keys: tuple[str, ...]
    text: str
    size: tuple[int, int] = (80, 24)
    machine: str = "gpus"
    ascii: bool = False
    run: str = ""


SHOTS = (
    Shot("machine", ("1",), "RTX 3090"),
    Shot("machine-no-gpu", ("1",), "No GPU: training", machine="cpu"),
    Shot("machine-no-gpu-wide", ("1",), "What fits", (120, 40), machine="cpu"),
    Shot("machine-wide", ("1",), "What fits", (120, 40)),
    Shot("machine-narrow", ("1",), "RTX 3090", (60, 20)),
    Shot("goal", ("2",), "asked because"),
    Shot("goal-narrow", ("2",), "asked because", (60, 20)),
    Shot("data", ("3",), "48"),
    Shot("data-tokens", ("3", "t"), "<|im_end|>"),
    Shot("data-narrow", ("3",), "48", (60, 20)),
    Shot("model", ("4",), "llama"),
    Shot("method", ("5",), "expected"),
    Shot("method-knobs", ("5", "tab", "j"), "expected"),
    Shot("method-wide", ("5",), "expected", (120, 40)),
    Shot("method-narrow", ("5",), "expected", (60, 20)),
    Shot("method-ascii", ("5",), "expected", ascii=True),
    Shot("train-before", ("6",), "enter launches it", machine="cpu"),
    Shot("train-refused", ("6",), "nothing can be launched"),
    Shot("train-done", ("6",), "DONE", run="done"),
    Shot("train-done-wide", ("6",), "DONE", (120, 40), run="done"),
    Shot("train-failed", ("6",), "FAILED", run="failed"),
    Shot("train-failed-narrow", ("6",), "FAILED", (60, 20), run="failed"),
    Shot("train-done-ascii", ("6",), "DONE", run="done", ascii=True),
    Shot("train-answers", ("6", "v"), "other than wanted", run="done"),
    Shot("train-changes", ("6",), "DONE", run="changed"),
    Shot("train-changes-earlier", ("6", "a", "left"), "answer 3/4", run="changed"),
    Shot("train-changes-narrow", ("6",), "DONE", (60, 20), run="changed"),
    Shot("train-changes-wide", ("6",), "DONE", (120, 40), run="changed"),
    Shot("train-changes-ascii", ("6",), "DONE", run="changed", ascii=True),
    Shot("train-changes-all", ("6", "v"), "while it trains", run="changed"),
    Shot("runs", ("9",), "run-failed", run="done"),
    Shot("runs-narrow", ("9",), "run-failed", (60, 20), run="done"),
    Shot("prove", ("7",), "held-out rows", run="finished"),
    Shot("ship", ("8",), "logit", run="finished"),
    Shot("keys", ("5", "question_mark"), "knob"),
    Shot("palette", ("1", "ctrl+p"), "a command"),
    Shot("too-small", ("1",), "needs 40x12", (39, 11)),
)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: TinyData
) -> RunDir:
    # Its name stands on the screen, and that of the folder around it is not always the same.
    run = tmp_path_factory.mktemp("finished") / "orders-1"
    run.mkdir()
    return RunDir(finish_run(run, tiny_model, tiny_data))


WANTED = '{"item": "desk lamp", "color": "green", "quantity": 2, "city": "Oslo"}'
CHANGING = (
    (0, "I would be happy to help you with your order! What kind of lamp are you looking for?"),
    (25, '{"item": "lamp", "quantity": "two", "place": "Oslo"}'),
    (50, '{"item": "desk lamp", "color": "green", "quantity": 20, "city": "Oslo"}'),
    (100, WANTED),
)


def _changed(home: Path, model: Path, data: TinyData) -> RunDir:
    """A run that is done in which two rows were asked again and again."""
    samples = [
        Sample(
            stage="train",
            row=row,
            want=WANTED,
            got=got,
            step=at,
            seconds=0.4,
            cut=at == 0,
            asked="Hi, could you send two green desk lamps to Oslo before Friday, please?",
        )
        for at, got in CHANGING
        for row in (3, 11)
    ]
    events = (
        StageStarted(stage="train", title="train"),
        *(step(n) for n in range(1, 101)),
        *samples,
        Checkpoint(step=100, path="checkpoints/checkpoint-100", bytes=3 << 20, because="a test"),
    )
    return write_run(home, model, data, events, id="run-changed", ended=ending("done"))


def _written(home: Path, model: Path, data: TinyData) -> dict[str, RunDir]:
    """A run that is done and one that failed, with two answers, evaluations and a spike."""
    events = (
        StageStarted(stage="baseline", title="measure the base model"),
        Sample(stage="baseline", row=3, want='{"item": "lamp"}', got="a lamp"),
        StageDone(stage="baseline", seconds=41.0, result={"verdict": "base zero-shot 0.0 % exact"}),
        StageStarted(stage="train", title="train"),
        *(step(n, loss=8.5 if n == 70 else None) for n in range(1, 101)),
        Evaluated(step=50, eval_loss=0.9, seconds=1.0),
        Evaluated(step=100, eval_loss=0.6, seconds=1.0),
        Checkpoint(step=100, path="checkpoints/checkpoint-100", bytes=3 << 20, because="a test"),
    )
    failed = ending("failed", "out of memory", "tried to allocate 2 GiB", "halve the batch")
    ends = {"done": ending("done"), "failed": failed}
    return {
        state: write_run(home, model, data, events, id=f"run-{state}", ended=end)
        for state, end in ends.items()
    }


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder whose name is as long in every run: a path decides where a line is broken."""
    with tempfile.TemporaryDirectory(prefix="tw-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def near_model(tiny_model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model, tmp_path / "model")


@pytest.fixture
def near_data(tiny_data: TinyData, tmp_path: Path) -> TinyData:
    return TinyData(*(Path(shutil.copy(path, tmp_path)) for path in tiny_data))


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
def test_a_screen_looks_as_it_did(
    shot: Shot,
    tmp_path: Path,
    near_model: Path,
    near_data: TinyData,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.chdir(tmp_path)
    seen = ""
    runs = {}
    if shot.run == "changed":
        runs = {"changed": _changed(tmp_path / "home", near_model, near_data)}
    elif shot.run:
        runs = _written(tmp_path / "home", near_model, near_data)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        nonlocal seen
        if shot.size[0] >= 40:
            await until(pilot, lambda: isinstance(app.bench.plan, Plan))
        for key in shot.keys:
            await pilot.press(key)
            await pilot.pause(0.2)
        await until(pilot, lambda: shot.text in shown(app))
        # What threads still find out is drawn before the picture is taken.
        before = ""
        while before != shown(app):
            before = shown(app)
            await pilot.pause(0.5)
        seen = before

    drive(
        write_session(tmp_path / "s", near_model, near_data),
        walk,
        size=shot.size,
        machine=lambda: MACHINES[shot.machine],
        plain_ascii=shot.ascii,
        attach=request.getfixturevalue("finished")
        if shot.run == "finished"
        else runs.get(shot.run),
    )
    lines = [_without_paths(line) for line in seen.splitlines()]
    assert all(len(line) <= shot.size[0] for line in lines)
    text = "\n".join(lines) + "\n"
    stored = STORED / f"{shot.name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        STORED.mkdir(exist_ok=True)
        stored.write_text(text)
    assert text == stored.read_text()


def _without_paths(line: str) -> str:
    """Folders and times of a test differ; what stands around them is squeezed."""
    line = re.sub(r"\d\d:\d\d:\d\d", "HH:MM:SS", line)
    line = re.sub(r"took [\d.]+ (s|min).*", "took <time>", line)
    if "/" not in line or not re.search(r"\S*/(pytest|tmp)\S*", line):
        return line
    return re.sub(r"\s+", " ", re.sub(r"\S*/\S*", "<path>", line)).strip()
