"""The bench: every answer is on disk at once, and what no longer holds is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest
from screens import write_session
from tiny import TinyData

from tunewright.engine.demo.session import answered_by_demo
from tunewright.engine.environment import read_environment
from tunewright.engine.model import DEMO_DATA
from tunewright.engine.plan import Plan
from tunewright.engine.session import load_session
from tunewright.hardware.errors import Problem
from tunewright.hardware.take import take_snapshot
from tunewright.tui.looking import look_at_model, look_at_rows
from tunewright.tui.workbench import Workbench


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def bench(tmp_path: Path, tiny_model: Path, tiny_data: TinyData) -> Workbench:
    """All that planning needs is known."""
    bench = Workbench.open(write_session(tmp_path / "s", tiny_model, tiny_data))
    snapshot = take_snapshot()
    bench.saw(snapshot, read_environment(snapshot.host))
    model = look_at_model(bench.inputs, bench.base, print)
    bench.found(bench.ticket, model, "model")
    bench.found(bench.ticket, look_at_rows(bench.inputs, bench.base, model), "data")
    return bench


def on_disk(bench: Workbench) -> Workbench:
    bench.saver.flush()
    return Workbench.open(bench.path)


def test_a_first_start_opens_the_demo(home: Path) -> None:
    bench = Workbench.open()
    assert bench.inputs.data.path == DEMO_DATA
    assert bench.place.step == "machine"


def test_closing_and_opening_comes_back_to_the_same_place(bench: Workbench) -> None:
    bench.go("method")
    bench.confirm("data")
    bench.set("lora.r", 32)
    bench.saver.flush()
    again = Workbench.open()
    assert again.path == bench.path
    assert again.place == bench.place
    assert again.inputs == bench.inputs


def test_the_plan_follows_every_change_and_is_saved_with_it(bench: Workbench) -> None:
    assert isinstance(bench.plan, Plan)
    before = bench.plan.chosen().estimate.expected_bytes
    bench.set("training.per_device_train_batch_size", 64)
    assert isinstance(bench.plan, Plan)
    assert bench.plan.chosen().estimate.expected_bytes > before
    assert load_session(on_disk(bench).path).inputs.overrides == bench.inputs.overrides
    bench.set("training.per_device_train_batch_size", None)
    assert bench.plan.chosen().estimate.expected_bytes == before


def test_a_setting_that_makes_no_sense_changes_nothing(bench: Workbench) -> None:
    plan, inputs = bench.plan, bench.inputs
    with pytest.raises(Problem):
        bench.set("lora.r", -3)
    assert (bench.plan, bench.inputs) == (plan, inputs)
    assert on_disk(bench).inputs == inputs


def test_what_was_found_for_something_else_is_dropped(bench: Workbench, tmp_path: Path) -> None:
    ticket, data = bench.ticket, bench.data
    assert data is not None
    bench.answer(seed=7)
    assert bench.data is None
    assert not bench.found(ticket, data, "data")  # type: ignore[arg-type]
    assert bench.data is None


def test_own_data_leaves_the_demo_session_alone(home: Path, tiny_data: TinyData) -> None:
    bench = Workbench.open()
    demo = bench.path
    bench.saver.flush()
    kept = demo.read_bytes()
    bench.use_data(str(tiny_data.train))
    bench.saver.flush()
    assert bench.path != demo
    assert demo.read_bytes() == kept
    assert bench.inputs.overrides == {}
    assert (bench.base / bench.inputs.data.path).resolve() == tiny_data.train.resolve()


@pytest.mark.parametrize("task", ["demo:orders", "demo:tickets"])
def test_nothing_that_was_said_for_the_demo_is_said_of_own_data(
    home: Path, tiny_data: TinyData, task: str
) -> None:
    bench = Workbench.open()
    bench.use_data(task)
    assert answered_by_demo(bench.inputs)
    for step in ("machine", "goal", "data", "model", "method"):
        bench.confirm(step)
    bench.use_data(str(tiny_data.train))
    assert bench.inputs.answers is None
    assert bench.inputs.overrides == {}
    assert bench.place.confirmed == ("machine",)
    again = on_disk(bench)
    assert (again.inputs.answers, again.place) == (None, bench.place)


def test_a_folder_that_cannot_be_written_is_told_and_does_not_stop_anything(
    bench: Workbench, tmp_path: Path
) -> None:
    # A file where the folder should be: root may write anywhere else.
    (tmp_path / "file").write_text("")
    bench.path = tmp_path / "file" / "session.json"
    bench.go("goal")
    bench.saver.flush()
    assert bench.saver.trouble is not None


def test_what_another_screen_set_meanwhile_is_put_aside_and_not_lost(bench: Workbench) -> None:
    bench.save()
    bench.saver.flush()
    other = Workbench.open(bench.path)
    other.saver.flush()
    bench.set("lora.r", 32)
    bench.saver.flush()
    # Opening alone changes nothing, so there was nothing to lose.
    assert bench.saver.set_aside is None
    other.set("lora.r", 64)
    other.saver.flush()
    aside = other.saver.set_aside
    assert aside is not None
    assert load_session(aside).inputs.overrides["lora.r"] == 32
    assert load_session(bench.path).inputs.overrides["lora.r"] == 64
