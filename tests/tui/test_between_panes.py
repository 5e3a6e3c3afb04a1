"""From pane to pane: what is sought in one stays there, what one run did is said of that run."""

from __future__ import annotations

from pathlib import Path

import pytest
from runs import ending, step, write_run
from screens import drive, shown, until
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.plan import Plan
from tunewright.engine.run.events import StageStarted
from tunewright.tui.app import TunewrightApp
from tunewright.tui.commands import JUMPS
from tunewright.tui.frame import bar_line
from tunewright.tui.widgets.rows import Rows


def words(app: TunewrightApp) -> str:
    return " ".join(shown(app).replace("│", " ").split())


def test_what_is_sought_in_one_pane_does_not_empty_the_next(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("4")
        models = app.pane.query_one("#models", Rows)
        await until(pilot, lambda: any("model" in row for row in models.shown))
        await pilot.press("slash", *"No such", "enter")
        await until(pilot, lambda: "nothing matches No such; esc shows all" in shown(app))
        assert app.pane.why_not("take") == "no model matches: esc shows all"
        await pilot.press("5")
        await until(pilot, lambda: app.pane.STEP == "method")
        assert not app.query_one("#find").display
        await pilot.press("4")
        await until(pilot, lambda: app.pane.STEP == "model")
        assert models.shown
        assert app.focused is models

    drive(session, walk)


def test_looking_at_another_run_ticks_nothing_and_names_it(
    session: Path, tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    events = (StageStarted(stage="train", title="train"), *(step(n) for n in range(1, 21)))
    other = write_run(
        tmp_path, tiny_model, tiny_data, events, id="run-of-another", ended=ending("done")
    )

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: app.pane.why_not("prove") is None)
        await pilot.press("enter")
        await until(pilot, lambda: app.pane.STEP == "prove")
        await until(pilot, lambda: "of run run-of-another, not of this session" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.pane.STEP == "ship")
        await until(pilot, lambda: "of run run-of-another, not of this session" in shown(app))
        await app.open_run(None)
        await pilot.press("7")
        await until(pilot, lambda: "Nothing is measured yet" in shown(app))
        assert "not of this session" not in shown(app)

    assert drive(session, walk, attach=other).bench.place.confirmed == ()


def test_escape_that_leads_nowhere_says_so(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: isinstance(app.bench.plan, Plan))
        assert "(esc back)" in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: "this is the first step" in shown(app))
        await pilot.press("2")
        await until(pilot, lambda: app.pane.STEP == "goal")
        assert "(esc back)" not in shown(app)

    drive(session, walk)


def test_alone_it_says_which_keys_lead_nowhere_and_why(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: "= expected" in shown(app))
        assert "(esc back)" in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: "opened for this step alone" in shown(app))
        assert app.why_not("runs") == app.why_not("back")
        await pilot.press("tab")
        await until(pilot, lambda: app.why_not("back") is None)
        await pilot.press("escape", "question_mark")
        await until(pilot, lambda: "1 … 8" in shown(app))
        await until(pilot, lambda: f"{JUMPS[1]} not now: opened for this step" in words(app))

    drive(session, walk, alone="method", size=(80, 60))


@pytest.mark.parametrize("pane", ["machine", "goal", "train", "method"])
def test_the_bar_fits_whatever_is_disabled(pane: str) -> None:
    able = ("help", "quit")
    for width in range(40, 130):
        for why_not in (lambda name: None if name in able else "no", lambda name: None):
            assert bar_line(pane, why_not, width).cell_len <= width


def test_the_palette_does_not_open_over_another_box(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: isinstance(app.bench.plan, Plan))
        await pilot.press("m", "ctrl+p")
        await pilot.pause()
        assert len(app.screen_stack) == 2
        await pilot.press("escape", "ctrl+p")
        await until(pilot, lambda: "a command or a step" in shown(app))

    drive(session, walk)
