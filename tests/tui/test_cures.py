"""What a person at the screens is told to do can be done there."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from screens import drive, shown, until, write_session
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.plan import Plan
from tunewright.engine.run.create import create
from tunewright.engine.run.rundir import RunDir, RunRecord
from tunewright.hardware.errors import Problem
from tunewright.hardware.whatif import imagine
from tunewright.tui.app import TunewrightApp
from tunewright.tui.cures import on_screen


@pytest.mark.parametrize(
    ("number", "word"), [(errno.ENOSPC, "free some space"), (errno.EACCES, "write to")]
)
def test_the_cure_of_a_run_that_cannot_be_made_names_no_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, word: str
) -> None:
    def refused(self: Path, *_: object, **__: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(Problem) as caught:
        create(tmp_path / "run", b"{}", RunRecord(id="a", name="a", created=0.0))
    assert "--run-dir" in caught.value.cure
    told = on_screen(caught.value)
    assert word in told.cure
    assert "--" not in told.cure
    assert (told.what, told.why, told.exit) == (
        caught.value.what, caught.value.why, caught.value.exit
    )  # fmt: skip
    assert not RunDir(tmp_path / "run").path.exists()


def test_on_an_invented_machine_the_keys_back_to_this_one_are_told_and_lead_there(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: isinstance(app.bench.plan, Plan))
        await pilot.press("6")
        await until(pilot, lambda: "1 shows the machine" in shown(app))
        assert "--hardware" not in shown(app)
        await pilot.press("1")
        await until(pilot, lambda: app.pane.STEP == "machine")
        assert app.why_not("back") is None
        await pilot.press("escape")
        await until(pilot, lambda: app.bench.snapshot and not app.bench.snapshot.simulated)

    session = write_session(tmp_path / "s", tiny_model, tiny_data)
    drive(session, walk, invented=imagine("RTX 4090"))
