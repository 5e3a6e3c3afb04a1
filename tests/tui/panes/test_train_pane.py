"""The Train pane in every state of a run, and that its keys reach the run."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from runs import STARTED, ending, held, step, write_events, write_run
from screens import drive, shown, until, write_session
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.run import control
from tunewright.engine.run.events import (
    Checkpoint,
    Evaluated,
    Event,
    Failed,
    Memory,
    Progress,
    Sample,
    StageStarted,
    State,
)
from tunewright.engine.run.rundir import RunDir, write_exit
from tunewright.hardware.snapshot import Host, Snapshot
from tunewright.tui.app import TunewrightApp
from tunewright.tui.screens.ask import Ask
from tunewright.tui.screens.text import LongText

Walk = Callable[[Pilot[int], TunewrightApp], Awaitable[None]]
TRAINING = (
    StageStarted(stage="baseline", title="measure the base model"),
    Sample(stage="baseline", row=3, want='{"a": 1}', got="nothing"),
    StageStarted(stage="train", title="train"),
    *(step(n) for n in range(1, 51)),
    Evaluated(step=50, eval_loss=0.9, seconds=1.0),
    Checkpoint(step=50, path="checkpoints/checkpoint-50", bytes=3 << 20, because="a test"),
)


class Stage:
    """A home with the tiny session, in which runs are written and shown."""

    def __init__(self, home: Path, model: Path, data: TinyData) -> None:
        self.home, self.model, self.data = home, model, data
        self.session = write_session(home / "s", model, data)
        self._locks: list[int] = []

    def run(self, events: Sequence[Event] = TRAINING, **options: object) -> RunDir:
        return write_run(self.home, self.model, self.data, events, **options)  # type: ignore[arg-type]

    def running(self, events: Sequence[Event] = TRAINING, **options: object) -> RunDir:
        said = (State(state="starting"), State(state="running"))
        run = self.run(events, **{"said": said, "started": time.time() - 60, **options})
        (run.results / "baseline.json").write_text("{}")
        self._locks.append(held(run))
        return run

    def end(self) -> None:
        for fd in self._locks:
            os.close(fd)
        self._locks.clear()

    def show(self, run: RunDir, walk: Walk, text: str, **options: object) -> None:
        async def to_it(pilot: Pilot[int], app: TunewrightApp) -> None:
            await until(pilot, lambda: text in shown(app))
            await walk(pilot, app)

        drive(self.session, to_it, attach=run, **options)


@pytest.fixture
def stage(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path))
    found = Stage(tmp_path, tiny_model, tiny_data)
    yield found
    found.end()


def test_before_a_run_it_says_what_will_be_done_and_which_key_does_it(stage: Stage) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("6")
        await until(pilot, lambda: "Ready to launch" in shown(app))
        text = shown(app)
        assert "1 measure the base model" in text
        assert "6 steps of" in text
        assert "enter launches it" in text
        assert app.why_not("launch") is None
        assert app.why_not("pause") == "there is no run yet"

    drive(stage.session, walk)


def test_what_does_not_fit_is_said_before_and_cannot_be_launched(stage: Stage) -> None:
    host = Host("box", "a cpu", 2, ("avx2",), 2**33, 2**28)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("6")
        await until(pilot, lambda: "does not fit this machine" in shown(app))
        await pilot.press("enter")
        await pilot.pause()
        assert "launch: lora does not fit" in shown(app) or "does not fit" in app.why_not("launch")  # type: ignore[operator]
        assert app.bench.run() is None

    drive(stage.session, walk, machine=lambda: Snapshot(taken_at=0.0, host=host))


def test_a_run_that_starts_says_what_takes_so_long(stage: Stage) -> None:
    run = stage.running(())
    (run.results / "baseline.json").unlink()

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        assert "importing torch" in shown(app)
        write_events(run, "1-worker0", [StageStarted(stage="baseline", title="the base model")])
        await until(pilot, lambda: "[baseline]" in shown(app))
        rows = Progress(stage="baseline", done=3, total=12, unit="rows", eta_seconds=60.0)
        write_events(run, "1-worker0", [rows, TRAINING[1]])
        await until(pilot, lambda: "baseline 3/12 rows" in shown(app))
        assert "left 1 min 00 s" in shown(app)
        assert "got    nothing" in shown(app)

    stage.show(run, walk, "RUNNING")


def test_a_running_run_shows_where_it_is_and_what_comes_next(stage: Stage) -> None:
    run = stage.running()

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        text = shown(app)
        assert "[train]" in text
        assert "next: evaluate" in text
        assert "step 50/100" in text
        assert " 50 %" in text
        assert "left 25 s" in text
        assert "tok/s" in text
        assert "lr 1.0e-4" in text
        assert "peak 700 MiB RAM   predicted 1 MiB" in text
        assert "safe 2 MiB: ABOVE IT" in text
        assert "checkpoints 50 (3 MiB)" in text
        assert "e eval 0.9" in text or "eval 0.9" in text
        write_events(run, "1-worker0", [step(n) for n in range(51, 77)])
        await until(pilot, lambda: "step 76/100" in shown(app))
        stage.end()
        write_exit(run, ending("done"))
        await until(pilot, lambda: "DONE" in shown(app))
        assert app.why_not("prove") is None

    stage.show(run, walk, "RUNNING")


def test_keys_ask_the_run_and_a_stop_is_confirmed(stage: Stage) -> None:
    run = stage.running()

    def asked() -> list[str]:
        return [c.verb for c in control.Spool(run.control).take() if isinstance(c, control.Command)]

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("c")
        await until(pilot, lambda: "asked for a checkpoint" in shown(app))
        assert asked() == ["checkpoint"]
        await pilot.press("x")
        assert isinstance(app.screen, Ask)
        await pilot.press("enter")
        assert not isinstance(app.screen, Ask)
        await pilot.pause(0.1)
        assert asked() == []
        await pilot.press("x", "y")
        await until(pilot, lambda: "asked to stop" in shown(app))
        assert asked() == ["stop"]
        await pilot.press("p")
        await until(pilot, lambda: "asked to pause" in shown(app))
        write_events(run, "1-supervisor", [State(state="paused")])
        await until(pilot, lambda: "PAUSED" in shown(app))
        assert "p go on" in shown(app)
        assert asked() == ["pause"]
        await pilot.press("p")
        await until(pilot, lambda: "asked to go on" in shown(app))
        assert asked() == ["unpause"]
        assert app.why_not("checkpoint") == "the run is paused"

    stage.show(run, walk, "RUNNING")


def test_a_run_that_failed_says_what_why_and_cure(stage: Stage) -> None:
    failed = Failed(what="out of memory", why="the batch", cure="halve it")
    end = ending("failed", "out of memory", "the batch is too large", "halve the batch")
    run = stage.run((*TRAINING, failed), ended=end)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        text = shown(app)
        assert "out of memory" in text
        assert "the batch is too large" in text
        assert "halve the batch" in text
        assert "r resumes it from step 50" in text
        assert app.why_not("resume") is None
        assert app.why_not("stop") == "the run is failed"
        await pilot.press("y")
        assert app.clipboard == "halve the batch"

    stage.show(run, walk, "FAILED")


def test_a_crashed_run_is_told_from_one_that_ended(stage: Stage) -> None:
    run = stage.run()
    # It left no time of its end: what it wrote last tells.
    for file in run.events.glob("*.jsonl"):
        os.utime(file, (STARTED + 95, STARTED + 95))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        assert "1 min 35 s in all" in shown(app)
        assert "the supervisor is gone and left no record" in shown(app)
        assert "r resume" in shown(app)

    stage.show(run, walk, "CRASHED")


def test_zoom_log_and_series_change_what_is_drawn(stage: Stage) -> None:
    run = stage.run(ended=ending("done"))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("z")
        assert "last 50 %" in shown(app)
        await pilot.press("l")
        assert "log" in shown(app)
        for name in ("gradient norm", "learning rate", "tokens/s", "loss"):
            await pilot.press("s")
            assert any(line.strip().startswith(name) for line in shown(app).splitlines()), name

    stage.show(run, walk, "DONE")


def test_boxes_hold_the_answers_the_log_and_what_is_notable(stage: Stage) -> None:
    spike = [step(n, loss=9.9 if n == 90 else 0.5) for n in range(51, 100)]
    run = stage.run((*TRAINING, *spike), ended=ending("done"))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        assert "! loss jumps to 9.90 at step 90" in shown(app)
        for key, text in (("v", "wanted"), ("o", "checkpoint at step 50"), ("w", "Spikes")):
            await pilot.press(key)
            await until(pilot, lambda: isinstance(app.screen, LongText))
            await until(pilot, lambda text=text: text in shown(app))
            await pilot.press("escape")
            # The box has not taken the keys with it.
            assert app.screen.focused is None

    stage.show(run, walk, "DONE")


def sample(at: int, row: int, got: str) -> Sample:
    asked = "lamps: two"
    return Sample(
        stage="train", row=row, want="two lamps", got=got, step=at, seconds=0.2, asked=asked
    )


def test_an_answer_is_seen_to_change_and_keys_step_through_it(stage: Stage) -> None:
    said = [sample(at, row, f"{row} lamps, {at}") for at in (0, 20, 40) for row in (3, 11)]
    run = stage.running((*TRAINING, *said))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        text = shown(app)
        assert "row 4 asked     lamps: two" in text
        assert "     wanted     two lamps" in text
        assert "step 20       ≠ 3 lamps, 20" in text
        assert "step 40       ≠ 3 lamps, 40" in text
        assert "row 1/2  ← → answer 3/3" in text
        assert app.why_not("sample_later") == "it is the newest answer"
        await pilot.press("left")
        text = shown(app)
        assert "base          ≠ 3 lamps, 0" in text
        assert "step 40" not in text
        assert app.why_not("sample_earlier") == "it is held against the first answer already"
        await pilot.press("a")
        assert "step 20       ≠ 11 lamps, 20" in shown(app)
        await pilot.press("right")
        write_events(run, "1-worker0", [sample(50, 3, "three"), sample(50, 11, "two lamps")])
        await until(pilot, lambda: "step 50       = two lamps" in shown(app))
        await pilot.press("a")
        assert "step 50       ≠ three" in shown(app)

    stage.show(run, walk, "RUNNING")


def test_a_low_screen_shows_the_newest_answer_alone(stage: Stage) -> None:
    run = stage.running((*TRAINING, sample(0, 3, "no"), sample(20, 3, "a lamp")))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        text = shown(app)
        assert "row 4 wanted    two lamps" in text
        assert "step 20       ≠ a lamp" in text
        assert "base " not in text
        assert "loss" in text
        assert "a row" not in text or app.why_not("sample_row") == "it is the only row"

    stage.show(run, walk, "RUNNING", size=(60, 20))


def test_a_wide_screen_has_two_curves_and_the_log(stage: Stage) -> None:
    run = stage.running()

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        text = shown(app)
        assert "loss" in text
        assert "gradient norm" in text
        assert "checkpoint at step" in text

    stage.show(run, walk, "RUNNING", size=(120, 40))


@pytest.mark.parametrize("size", [(40, 12), (60, 20), (80, 24), (120, 40), (200, 60)])
def test_every_line_fits_whatever_a_run_says(stage: Stage, size: tuple[int, int]) -> None:
    evil = "\x1b[31m[bold red]x[/]\u202e\u200b漢字" + "y" * 5000
    events = (
        *TRAINING,
        Sample(stage="evaluate", row=1, want=evil, got=evil),
        Failed(what=evil, why=evil, cure=evil),
        Memory(what="host rss", predicted_bytes=1, safe_bytes=2, measured_bytes=3),
    )
    end = ending("failed", evil, evil, evil)
    run = stage.run(events, ended=end)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        for keys in ((), ("v",), ("o",), ("w",)):
            await pilot.press(*keys)
            await pilot.pause()
            strips = app.screen._compositor.render_strips()
            assert all(strip.cell_length == size[0] for strip in strips)
            text = "".join(strip.text for strip in strips)
            assert "\x1b" not in text
            assert "\u202e" not in text
            await pilot.press(*(("escape",) if keys else ()))

    stage.show(run, walk, "FAILED", size=size)


def test_a_run_that_is_deleted_while_it_is_watched_is_told_once(stage: Stage) -> None:
    run = stage.running()

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        run.record.unlink()
        await until(pilot, lambda: "is not a run directory" in shown(app))
        await pilot.press("escape")
        await pilot.pause(1.5)
        assert "is not a run directory" not in shown(app)

    stage.show(run, walk, "RUNNING")


def test_nothing_is_sent_while_nothing_changes(stage: Stage) -> None:
    run = stage.run(ended=ending("done"))
    host = Host("box", "a cpu", 2, ("avx2",), 2**34, 2**33)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.pause(2.5)
        sent = 0
        write = app._driver.write  # type: ignore[union-attr]

        def count(data: str) -> None:
            nonlocal sent
            sent += len(data)
            write(data)

        app._driver.write = count  # type: ignore[union-attr, method-assign, assignment]
        await pilot.pause(2.5)
        assert sent == 0

    stage.show(run, walk, "DONE", machine=lambda: Snapshot(taken_at=0.0, host=host))


def test_a_setting_of_the_run_is_that_of_the_run_not_of_the_bench(stage: Stage) -> None:
    run = stage.run(ended=ending("done"))
    session = msgspec.json.decode(run.session.read_bytes())
    assert session["plan"]["fits"][0]["free_bytes"] == 2**30

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        plan = app.pane.gauged()
        assert plan is not None
        assert plan.chosen().free_bytes == 2**30  # type: ignore[union-attr]

    stage.show(run, walk, "DONE")
