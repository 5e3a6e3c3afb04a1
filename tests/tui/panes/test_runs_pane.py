"""The list of runs: in order, watched, compared, deleted; a run in progress is offered first."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import STARTED, ending, held, step, write_run
from screens import drive, shown, until
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.run.events import StageStarted, State
from tunewright.engine.run.rundir import RunDir, write_exit
from tunewright.tui.app import TunewrightApp
from tunewright.tui.panes import runs as pane
from tunewright.tui.screens.ask import Ask
from tunewright.tui.workbench import Place, Workbench

RUNNING = (State(state="starting"), State(state="running"))
TRAINING = (StageStarted(stage="train", title="train"), *(step(n) for n in range(1, 21)))


@pytest.fixture
def runs(tmp_path: Path, session: Path, tiny_model: Path, tiny_data: TinyData) -> list[RunDir]:
    """A run that is done, one that failed and one that was stopped."""
    return [
        write_run(tmp_path, tiny_model, tiny_data, TRAINING, id=f"run-{end.state}", ended=end)
        for end in (
            ending("done"),
            ending("failed", "out of memory", "the batch", "halve it"),
            ending("stopped", "stopped", "asked to stop"),
        )
    ]


@pytest.fixture
def live_run(
    tmp_path: Path, session: Path, tiny_model: Path, tiny_data: TinyData
) -> Iterator[RunDir]:
    run = write_run(
        tmp_path, tiny_model, tiny_data, TRAINING,
        id="run-live", said=RUNNING, started=time.time() - 5,
    )  # fmt: skip
    fd = held(run)
    yield run
    os.close(fd)


async def _to_runs(pilot: Pilot[int], app: TunewrightApp) -> None:
    await pilot.press("9")
    await until(pilot, lambda: "run-done" in shown(app))


def _press_until(pilot: Pilot[int], app: TunewrightApp, name: str) -> object:
    app.pane.query_one("#runs-list").select(str(name))  # type: ignore[attr-defined]
    return pilot.pause()


def test_what_lives_stands_first_and_each_says_what_can_be_done(
    session: Path, runs: list[RunDir], live_run: RunDir
) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await _to_runs(pilot, app)
        lines = [line.split()[:2] for line in shown(app).splitlines() if "run-" in line]
        assert "run-live" in shown(app).splitlines()[3]
        assert ["failed", "run-failed"] in lines
        assert "train 20/100" in shown(app)
        assert app.why_not("delete") == "it works; stop it first: enter, then x"
        await _press_until(pilot, app, str(runs[1].path))
        text = shown(app)
        assert "out of memory" in text
        assert "halve it" in text
        assert app.why_not("resume") is None
        await _press_until(pilot, app, str(runs[0].path))
        assert app.why_not("resume") == "it is done"

    drive(session, walk)


def test_enter_opens_a_run_and_escape_leads_back(session: Path, runs: list[RunDir]) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await _to_runs(pilot, app)
        await _press_until(pilot, app, str(runs[1].path))
        await pilot.press("enter")
        await until(pilot, lambda: "FAILED" in shown(app))
        assert "run-failed" in shown(app)
        assert app.pane.STEP == "train"
        assert app.why_not("anew") == "this run is not of the session on the bench; esc goes back"
        await pilot.press("escape")
        await until(pilot, lambda: app.pane.STEP == "runs")
        assert app.attach is None

    drive(session, walk)


def test_delete_asks_with_no_as_default_and_refuses_what_lives(
    session: Path, runs: list[RunDir], live_run: RunDir
) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await _to_runs(pilot, app)
        await _press_until(pilot, app, str(live_run.path))
        await pilot.press("x")
        assert not isinstance(app.screen, Ask)
        await _press_until(pilot, app, str(runs[0].path))
        await pilot.press("x")
        assert isinstance(app.screen, Ask)
        await pilot.press("enter")
        assert runs[0].path.is_dir()
        await pilot.press("x", "y")
        await until(pilot, lambda: not runs[0].path.exists())
        await until(pilot, lambda: "run-done" not in shown(app))

    drive(session, walk)


def test_two_runs_are_compared_side_by_side(session: Path, runs: list[RunDir]) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await _to_runs(pilot, app)
        await _press_until(pilot, app, str(runs[0].path))
        assert app.why_not("compare") == "mark the other run first: space"
        await pilot.press("space")
        assert app.why_not("compare") == "it is the marked one; go to another"
        await _press_until(pilot, app, str(runs[2].path))
        await pilot.press("c")
        await until(pilot, lambda: "two runs side by side" in shown(app))
        text = shown(app)
        assert "last loss" in text
        assert "run-done" in text
        assert "20 losses" in text
        assert "all equal" in text

    drive(session, walk)


def test_a_damaged_run_is_shown_and_does_not_hide_the_others(
    session: Path, runs: list[RunDir]
) -> None:
    runs[1].record.write_text("{")

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await _to_runs(pilot, app)
        assert "damaged" in shown(app)
        await _press_until(pilot, app, str(runs[1].path))
        assert "is damaged" in shown(app)
        assert app.why_not("attach") == "its directory is damaged"

    drive(session, walk)


def test_without_runs_it_names_the_next_key(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("9")
        await until(pilot, lambda: "No runs yet" in shown(app))
        assert "6 goes to Train" in shown(app)

    drive(session, walk)


def test_a_run_in_progress_is_offered_first(session: Path, live_run: RunDir) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: app.pane.STEP == "runs")
        await until(pilot, lambda: "enter opens it" in shown(app))
        await until(pilot, lambda: "run-live" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: "RUNNING" in shown(app))

    app = drive(session, walk)
    assert app.bench.place.step == "machine"


def test_the_run_of_the_session_in_progress_is_opened_at_once(
    session: Path, live_run: RunDir
) -> None:
    bench = Workbench.open(session)
    bench.place = Place("data", run=str(live_run.path))
    bench.save()
    bench.saver.flush()

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: app.pane.STEP == "train")
        await until(pilot, lambda: "RUNNING" in shown(app))

    drive(session, walk)


def test_the_end_of_a_run_rings_and_runs_the_persons_command(
    session: Path, tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = write_run(tmp_path, tiny_model, tiny_data, TRAINING, id="run-x", said=RUNNING)
    fd = held(run)
    told = tmp_path / "told"
    rung = []

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        app.bell = lambda: rung.append(True)  # type: ignore[method-assign]
        await until(pilot, lambda: "run-x" in shown(app))
        await pilot.pause(2.5)
        assert not rung
        os.close(fd)
        write_exit(run, ending("done"))
        await until(pilot, lambda: rung)
        assert "run-x: done" in shown(app)
        await until(pilot, told.exists)
        await until(pilot, lambda: told.read_text() == "run-x done\n")

    drive(session, walk, notify=f'echo "$RUN $STATE" > {told}')
    assert rung == [True]


def test_a_command_that_fails_is_told(
    session: Path, tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = write_run(tmp_path, tiny_model, tiny_data, TRAINING, id="run-x", said=RUNNING)
    fd = held(run)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: "run-x" in shown(app))
        await pilot.pause(2.5)
        os.close(fd)
        await until(pilot, lambda: "failed with exit code 3" in shown(app))

    drive(session, walk, notify="exit 3")


def test_enter_before_the_list_is_read_says_to_wait(
    session: Path, runs: list[RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    may_read, known = threading.Event(), pane.known_runs

    def slowly() -> object:
        may_read.wait(60)
        return known()

    monkeypatch.setattr(pane, "known_runs", slowly)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        try:
            await pilot.press("9")
            await until(pilot, lambda: "looking at the runs" in shown(app))
            await pilot.press("enter")
            await until(pilot, lambda: "still being read" in shown(app))
            assert "no run" not in shown(app)
        finally:
            may_read.set()
        await until(pilot, lambda: "run-done" in shown(app))
        await pilot.press("slash", *"nothing like it", "enter")
        await until(pilot, lambda: "run-done" not in shown(app))
        assert app.why_not("attach") == "no run matches: esc shows all"

    drive(session, walk)


def test_the_marked_run_stays_in_sight_when_its_detail_needs_more_room(
    session: Path, tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    for number in range(30):
        end = ending("failed", "out of memory", "x", "halve") if number == 0 else ending("done")
        write_run(
            tmp_path, tiny_model, tiny_data, TRAINING[:2],
            id=f"run-{number:02d}", ended=end, started=STARTED + 60 * number,
        )  # fmt: skip

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("9")
        await until(pilot, lambda: "run-29" in shown(app))
        await pilot.press("G")
        await until(pilot, lambda: "out of memory" in shown(app))
        await until(pilot, lambda: any("> " in x and "run-00" in x for x in shown(app).split("\n")))
        # Its clock was put back meanwhile.
        assert "took -" not in shown(app)
        await pilot.press("g")
        await until(pilot, lambda: ">   done     run-29" in shown(app))
        assert "how far" in shown(app)
        assert "took -" not in shown(app)

    drive(session, walk)
