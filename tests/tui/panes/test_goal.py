"""Goal: one question at a time, each with why; answers are in the session at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from screens import drive, shown, until, write_session
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.session import load_session
from tunewright.tui.app import TunewrightApp


@pytest.fixture
def session(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    return write_session(tmp_path / "s", tiny_model, tiny_data)


def test_questions_come_one_by_one_and_answers_are_kept(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "What should the model do?" in shown(app))
        assert "asked because" in shown(app)
        await pilot.press(*"[red]sort mail", "enter")
        await until(pilot, lambda: "live, or act" in shown(app))
        assert "goal [red]sort mail" in shown(app)
        # "no" is marked, since it promises least.
        await pilot.press("enter")
        await until(pilot, lambda: "How far do instructions" in shown(app))
        await pilot.press("j", "j", "j", "enter")
        await until(pilot, lambda: "Prompt engineering" in shown(app))
        assert "provisional until measured" in shown(app)

    app = drive(session, walk)
    answers = load_session(session).inputs.answers
    assert answers is not None
    assert (answers.goal, answers.external_lookup, answers.prompting) == (
        "[red]sort mail",
        False,
        "works",
    )
    assert app.bench.inputs.answers == answers


def test_the_last_answer_can_be_taken_back_and_the_rules_read(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "What should the model do?" in shown(app))
        await pilot.press("x", "enter")
        await until(pilot, lambda: "live, or act" in shown(app))
        await pilot.press("backspace")
        await until(pilot, lambda: "What should the model do?" in shown(app))
        assert "nothing is answered yet" not in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.pane.STEP == "machine")
        await pilot.press("2", "escape", "2")

    drive(session, walk)
    answers = load_session(session).inputs.answers
    assert answers is None or answers.goal is None
