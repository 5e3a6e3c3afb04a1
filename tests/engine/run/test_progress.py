"""What a screen knows of a run: read as it grows, whole after a resume, bounded."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest
from runs import ending, held, step, write_events, write_run
from tiny import TinyData

from tunewright.engine.run.events import (
    HANDED_ON,
    Answered,
    Checkpoint,
    Evaluated,
    EventWriter,
    Note,
    Progress,
    Sample,
    StageDone,
    StageStarted,
    Warned,
)
from tunewright.engine.run.progress import RunProgress, last_step, preview, stage_now
from tunewright.engine.run.rundir import RunDir, write_exit
from tunewright.engine.session import load_session


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path))
    return tmp_path


def _started(run: RunDir) -> RunProgress:
    progress = RunProgress(run)
    for _ in progress.catch_up():
        pass
    return progress


def test_what_a_run_writes_later_is_taken_by_the_next_look(
    home: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = write_run(home, tiny_model, tiny_data, [step(n) for n in range(1, 11)])
    fd = held(run)
    progress = _started(run)
    assert list(progress.curves.step) == list(range(1, 11))
    write_events(run, "1-worker0", [step(11), Evaluated(step=11, eval_loss=0.5, seconds=1.0)])
    look = progress.look()
    # A look changes nothing of what is drawn.
    assert list(progress.curves.step) == list(range(1, 11))
    progress.take(look)
    assert list(progress.curves.step) == list(range(1, 12))
    assert list(progress.curves.eval_loss) == [0.5]
    assert progress.step is not None
    assert progress.step.step == 11
    assert progress.view is not None
    assert progress.view.alive
    os.close(fd)
    write_exit(run, ending("done"))
    progress.take(progress.look())
    assert not progress.view.alive
    assert progress.seconds() == 95


def test_steps_after_the_checkpoint_of_a_resume_are_replaced(
    home: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = write_run(home, tiny_model, tiny_data, [step(n, loss=1.0) for n in range(1, 31)])
    progress = _started(run)
    write_events(run, "2-supervisor", [Note(text="resumed")])
    write_events(run, "2-worker0", [step(n, loss=2.0) for n in range(21, 26)])
    progress.take(progress.look())
    assert list(progress.curves.step) == list(range(1, 26))
    assert list(progress.curves.loss) == [1.0] * 20 + [2.0] * 5
    assert progress.curves.superseded == 1
    assert _started(run).curves.loss == progress.curves.loss


def test_stages_say_what_is_done_what_runs_and_what_comes(
    home: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    rows = Progress(stage="train", done=2, total=9, unit="rows")
    run = write_run(
        home, tiny_model, tiny_data,
        [
            StageStarted(stage="baseline", title="baseline"),
            StageDone(stage="baseline", seconds=12.5),
            StageStarted(stage="train", title="train"),
            rows,
        ],
    )  # fmt: skip
    (run.results / "baseline.json").write_text("{}")
    fd = held(run)
    stages = _started(run).stages(load_session(run.session))
    assert [stage.state for stage in stages] == ["done", "running", "next", "next"]
    assert stages[0].seconds == 12.5
    assert stages[1].progress is not None
    assert stages[1].progress.done == 2
    os.close(fd)
    write_exit(run, ending("stopped"))
    stages = _started(run).stages(load_session(run.session))
    assert [stage.state for stage in stages] == ["done"] + ["not reached"] * 3
    assert stage_now(run) == StageStarted(
        stage="train",
        title="train",
        seq=3,
        time=stage_now(run).time,  # type: ignore[union-attr]
    )


def test_what_is_kept_besides_curves_is_bounded(
    home: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    many = [Sample(stage="evaluate", row=n, want="a", got="b") for n in range(2000)]
    warned = [Warned(what=str(n), why="", cure="") for n in range(2000)]
    saved = [Checkpoint(step=7, path="checkpoints/7", bytes=1, because="a test")] * 5
    run = write_run(home, tiny_model, tiny_data, [*many, *warned, *saved])
    progress = _started(run)
    assert len(progress.answers) <= 256
    assert progress.answers[-1].row == 1999
    assert len(progress.log) <= 500
    assert list(progress.checkpoints) == [7]


def test_an_answer_that_says_nothing_is_left_out_of_the_log(
    home: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    said = [
        Answered(id="1", command="pause", answer=HANDED_ON),
        Answered(id="2", command="checkpoint", answer="checkpoint at step 3"),
    ]
    run = write_run(home, tiny_model, tiny_data, said=said)
    assert [event.answer for event in _started(run).log] == ["checkpoint at step 3"]  # type: ignore[union-attr]


def test_the_time_left_has_the_range_of_the_speeds_that_were(
    home: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = write_run(home, tiny_model, tiny_data, [step(n) for n in range(1, 6)])
    progress = _started(run)
    assert progress.left() == (47.5, 47.5, 47.5)
    write_events(run, "1-worker0", [step(n) for n in range(6, 61)])
    progress.take(progress.look())
    left = progress.left()
    assert left is not None
    eta, low, high = left
    # Speeds are 200 to 206 tokens/s, and 204 at step 60.
    assert eta == 20
    assert low == pytest.approx(20 * 204 / 206)
    assert high == pytest.approx(20 * 204 / 200)


def test_a_long_run_has_a_preview_of_its_whole_length(
    home: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = write_run(home, tiny_model, tiny_data, [step(1)])
    assert not preview(run)[0]
    count = 60_000
    with EventWriter(run.events / "1-worker0.jsonl") as file:
        for number in range(2, count + 1):
            file.write(step(number, count))
    steps, losses = preview(run)
    assert 1500 <= len(steps) == len(losses) <= 2001
    assert steps[0] < count / 500
    assert steps[-1] > count * 0.99
    assert all(a < b for a, b in pairwise(steps))
    assert losses[5] == step(int(steps[5]), count).loss
    found = last_step(run)
    assert found is not None
    assert found.step == count


def test_a_run_that_has_written_nothing_is_no_trouble(
    home: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = write_run(home, tiny_model, tiny_data)
    for path in run.events.iterdir():
        path.unlink()
    progress = _started(run)
    progress.take(progress.look())
    assert progress.step is None
    assert last_step(run) is None
    assert stage_now(run) is None
    assert progress.left() is None
