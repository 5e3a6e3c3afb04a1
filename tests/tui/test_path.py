"""The whole path on the screens with real training; the session they wrote is replayed headless."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from live import Live
from screens import drive, shown, until, write_session
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.plan import Plan
from tunewright.engine.run.view import view
from tunewright.engine.session import load_session
from tunewright.tui.app import TunewrightApp


@pytest.fixture
def session(
    live: Live,
    tmp_path: Path,
    tiny_model: Path,
    tiny_data: TinyData,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    for name, value in live.environment.items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    return write_session(tmp_path / "session", tiny_model, tiny_data)


@pytest.mark.timeout(600)
def test_enter_leads_to_a_proven_model_and_a_replay_gives_the_same(
    session: Path, live: Live
) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: isinstance(app.bench.plan, Plan))
        await pilot.press("enter")
        await until(pilot, lambda: app.pane.STEP == "goal")
        # Questions are answered with what is marked, until none is open.
        for _ in range(20):
            if app.pane.STEP != "goal":
                break
            await until(pilot, lambda: app.pane.why_not("choose") != "still deciding")
            before = shown(app)
            await pilot.press("enter")
            await until(pilot, lambda before=before: shown(app) != before)
        for step in ("data", "model", "method"):
            await until(pilot, lambda step=step: step == app.pane.STEP)
            await until(pilot, lambda: isinstance(app.bench.plan, Plan))
            await pilot.press("enter")
        await until(pilot, lambda: app.pane.STEP == "train")
        await pilot.press("enter")
        await until(pilot, lambda: app.bench.run() is not None)
        run = app.bench.run()
        assert run is not None
        await until(pilot, lambda: view(run).state == "done", patience=300)
        await until(pilot, lambda: _expectation(app) is not None)
        await pilot.press("7")
        await until(pilot, lambda: "held-out rows" in shown(app))
        await pilot.press("8")
        await until(pilot, lambda: "merged" in shown(app))

    app = drive(session, walk)
    assert app.bench.place.confirmed == ("machine", "goal", "data", "model", "method")
    assert "plan: as recorded" in live("--replay", str(session), "--dry-run").stdout
    replay = live("--replay", str(session), "--json")
    told = json.loads(replay.stdout)
    assert told["comparison"]["equal"] is True
    assert told["comparison"]["differences"] == []
    assert told["plan_differences"] == []


def _expectation(app: TunewrightApp) -> object:
    recorded = app.bench.session.recorded
    return recorded.expect if recorded else None


def test_what_is_set_on_the_screen_stands_in_the_session(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: isinstance(app.bench.plan, Plan))
        await pilot.press("5")
        app.bench.set("lora.r", 32)
        await pilot.press("q")

    drive(session, walk)
    assert load_session(session).inputs.overrides["lora.r"] == 32

    async def look(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: app.pane.STEP == "method")

    drive(session, look)
