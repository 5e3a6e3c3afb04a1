"""What cannot be read is said and does not stand in the way of what comes next."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from runs import ending, step, write_events, write_run
from screens import drive, shown, until
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.data.read import read_examples
from tunewright.engine.replay import Comparison
from tunewright.engine.run.events import Note
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.runs import ComparedRuns
from tunewright.engine.session import Expectation
from tunewright.hardware.errors import Problem
from tunewright.hardware.whatif import imagine
from tunewright.tui.app import TunewrightApp
from tunewright.tui.panes import model, train_launch
from tunewright.tui.panes.model import ModelPane
from tunewright.tui.panes.runs_lines import comparison_lines
from tunewright.tui.screens.palette import Palette
from tunewright.tui.screens.trouble import Trouble
from tunewright.tui.widgets.rows import Rows
from tunewright.tui.workbench import Place, Workbench


@pytest.fixture
def run(tmp_path: Path, session: Path, tiny_model: Path, tiny_data: TinyData) -> RunDir:
    """The session's own, done."""
    run = write_run(tmp_path, tiny_model, tiny_data, [step(1), step(2)], ended=ending("done"))
    place = session.with_name("session.place.json")
    place.write_bytes(msgspec.json.encode(Place(step="train", run=str(run.path))))
    return run


@pytest.mark.parametrize("step", ["eval", "runs", ""])
def test_a_place_that_is_no_step_opens_at_the_machine(step: str, session: Path) -> None:
    place = session.with_name("session.place.json")
    place.write_bytes(msgspec.json.encode({"step": step, "confirmed": ["goal"]}))
    assert Workbench.open(session).place == Place(confirmed=("goal",))


def test_an_own_run_that_is_damaged_is_said_and_another_can_be_launched(
    session: Path, run: RunDir
) -> None:
    run.record.write_text("{")

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: "run.json is damaged" in shown(app))
        assert "The run cannot be read" in shown(app)
        await until(pilot, lambda: app.why_not("launch") is None)
        await until(pilot, lambda: "enter launches the session as a new run" in shown(app))
        assert app.why_not("anew") == "enter launches it"
        assert not app.pane.reading

    drive(session, walk)


def test_a_damaged_run_of_another_session_is_no_place_to_launch_from(
    session: Path, run: RunDir
) -> None:
    run.record.write_text("{")

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: "run.json is damaged" in shown(app))
        assert app.why_not("launch") is not None
        assert app.why_not("anew") is not None

    session.with_name("session.place.json").unlink()
    drive(session, walk, attach=run)


def test_a_launch_that_the_disk_refuses_can_be_tried_again(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> RunDir:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(train_launch, "launch", full)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("6")
        await until(pilot, lambda: "Ready to launch" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Trouble))
        await pilot.press("enter")
        await until(pilot, lambda: "Ready to launch" in shown(app))
        assert app.why_not("launch") is None

    drive(session, walk)


def test_models_are_looked_for_again_after_a_look_that_failed(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = model.find_models
    refused = [OSError(5, "Input/output error")]

    def failing(*said: object) -> object:
        if refused:
            raise refused.pop()
        return found(*said)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "find_models", failing)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, Trouble))
        await pilot.press("enter", "f5")
        pane = app.query_one(ModelPane)
        await until(pilot, lambda: pane._found)

    drive(session, walk)


def test_events_that_cannot_be_read_are_no_run_without_steps(session: Path, run: RunDir) -> None:
    for file in run.events.glob("*.jsonl"):
        file.write_bytes(bytes(range(256)) * 4)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: "DONE" in shown(app))
        assert "no step was taken" not in shown(app)
        assert "events/1-worker0.jsonl cannot be read" in shown(app)
        assert "are no events" in shown(app)
        await pilot.press("w")
        await pilot.pause()
        assert "1-worker0.jsonl" in shown(app)

    drive(session, walk, size=(100, 30))


@pytest.mark.parametrize("box", ["m", "question_mark"])
def test_the_palette_does_not_open_over_another_box(box: str, session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press(box)
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert len(app.screen_stack) == 2

    drive(session, walk)


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [("find", "filter"), ("findings", "finding"), ("data", "step:data"), ("run", "runs")],
)
def test_the_palette_marks_what_is_called_so_exactly_first(
    typed: str, chosen: str, session: Path
) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("3", "ctrl+p", *typed)
        await until(pilot, lambda: isinstance(app.screen, Palette))
        await until(pilot, lambda: app.screen.query_one(Rows).key == chosen)

    drive(session, walk)


def test_an_invented_machine_is_left_with_keys_of_the_screen(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("6")
        await until(pilot, lambda: "nothing can be launched on" in shown(app))
        assert "--hardware" not in shown(app)
        assert "esc there comes back to it" in " ".join(shown(app).split())
        await pilot.press("1", "escape")
        await until(pilot, lambda: app.bench.snapshot and not app.bench.snapshot.simulated)

    drive(session, walk, invented=imagine("RTX 4090"))


def test_what_stands_where_no_run_is_has_room_on_a_narrow_screen(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("9")
        await until(pilot, lambda: "No runs yet" in shown(app))
        assert "becomes of this terminal." in " ".join(shown(app).split())

    drive(session, walk, size=(60, 20))


def test_the_log_names_its_file_and_all_keys_of_the_box(session: Path, run: RunDir) -> None:
    write_events(run, "1-worker0", [Note(text="something")])

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: "DONE" in shown(app))
        await pilot.press("o")
        await until(pilot, lambda: "log; all output" in shown(app))
        # Where a line breaks depends on the length of the file's name.
        box = "".join(line.strip(" │") for line in shown(app).splitlines()).replace(" ", "")
        assert "jkscroll" in box
        assert str(run.log).replace(" ", "") in box

    drive(session, walk)


def test_two_runs_are_told_apart_by_how_their_names_end() -> None:
    names = [f"demo-20261124-151929-{end}" for end in ("aaaa", "bbbb")]
    gave = Expectation((), (), {}, {})
    found = ComparedRuns((), Comparison(True, (), None, (), "losses"), gave, gave)
    head = comparison_lines(names[0], names[1], found, 60)[0].plain
    assert "aaaa" in head
    assert "bbbb" in head


def test_rows_that_cannot_be_trained_on_are_refused_with_a_command_that_is_whole(
    tmp_path: Path,
) -> None:
    file = tmp_path / "my rows.jsonl"
    file.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": "a"}\n')
    with pytest.raises(Problem) as refused:
        read_examples(file)
    assert f"tunewright data '{file}'" in refused.value.cure
