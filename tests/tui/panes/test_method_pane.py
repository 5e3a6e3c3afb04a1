"""Method on a tiny real model: verdicts, knobs that move the gauge at once, and going on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest
from screens import drive, shown, until, write_session
from sizing_cases import GIB, gpu
from sizing_cases import snapshot as machine
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.plan import Plan
from tunewright.engine.session import DataInput, load_session, save_session
from tunewright.hardware.errors import Problem
from tunewright.hardware.snapshot import Snapshot
from tunewright.hardware.take import take_snapshot
from tunewright.tui.app import TunewrightApp
from tunewright.tui.panes.method import MethodPane
from tunewright.tui.widgets.gauge import Gauge
from tunewright.tui.widgets.rows import Rows


@pytest.fixture
def session(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "tw"))
    # The real machine, once: memory that other tests take and give back would move the gauge.
    on(monkeypatch, take_snapshot())
    return write_session(tmp_path / "session", tiny_model, tiny_data)


def on(monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot) -> None:
    """Let the app read this machine, which was invented, instead of the one below it."""
    monkeypatch.setattr("tunewright.tui.lookout.Watch", lambda places: lambda: snapshot)


def pane(app: TunewrightApp) -> MethodPane:
    assert isinstance(app.pane, MethodPane)
    return app.pane


def gauge(app: TunewrightApp) -> str:
    return app.query_one("#gauge", Gauge).shown


async def opened(pilot: Pilot[int], app: TunewrightApp) -> None:
    await until(pilot, lambda: isinstance(app.bench.plan, Plan))
    await pilot.press("5")
    await until(pilot, lambda: "= expected" in shown(app))


def test_every_size_shows_the_verdicts_and_where_the_memory_goes(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await opened(pilot, app)
        for size in ((80, 24), (60, 20), (120, 40), (40, 12), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause(0.1)
            screen = shown(app)
            assert "* LoRA" in screen, screen
            assert "fits" in screen
        for word in ("weights", "fragmentation", "= expected", "rank", "micro-batch", "room for"):
            assert word in shown(app)

    drive(session, walk)


def test_while_something_is_read_it_says_so_and_asks_for_no_model(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await opened(pilot, app)
        bench, plan = app.bench, pane(app).why_not
        data, model = bench.data, bench.model
        for gone, reason in (("data", "the rows"), ("model", "the model"), ("snapshot", "the mac")):
            setattr(bench, gone, None)
            bench.plan = None
            pane(app).show()
            told = plan("train")
            assert told is not None
            assert told.startswith(reason)
            assert told.endswith("still being read")
        bench.model = Problem("no weights", why="none are there", cure="name another")
        pane(app).show()
        assert plan("train") == "no weights: 4 chooses another model"
        bench.data, bench.model = data, model

    drive(session, walk)


def test_a_knob_moves_the_gauge_at_once_is_saved_and_is_taken_back(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await opened(pilot, app)
        before = gauge(app)
        # Typed in one go: what follows tab finds the focus where tab put it.
        await pilot.press("tab", "j", "j", "j", ">")
        await until(pilot, lambda: app.bench.inputs.overrides.get(MICRO) is not None)
        assert gauge(app) != before
        assert "• " in shown(app)
        await pilot.press("a")
        await until(pilot, lambda: MICRO not in app.bench.inputs.overrides)
        assert gauge(app) == before
        await pilot.press("left")
        await until(pilot, lambda: app.bench.inputs.overrides.get(MICRO) is not None)
        await pilot.press("escape")
        await pilot.pause()
        assert app.pane.STEP == "method"
        assert app.query_one("#methods", Rows).has_focus

    drive(session, walk)
    assert isinstance(load_session(session).inputs.overrides[MICRO], int)


MICRO = "training.per_device_train_batch_size"


def test_a_value_is_typed_and_moves_the_gauge_before_it_is_set(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await opened(pilot, app)
        was = gauge(app)
        await pilot.press("tab", "j", "j", "j", "e", *"40")
        await until(pilot, lambda: "40: " in shown(app))
        assert gauge(app) != was
        assert app.bench.inputs.overrides.get(MICRO) is None
        await pilot.press("escape")
        await until(pilot, lambda: gauge(app) == was)
        assert app.query_one("#knobs", Rows).has_focus
        await pilot.press("e", *"40", "enter")
        await until(pilot, lambda: app.bench.inputs.overrides.get(MICRO) == 40)
        await until(pilot, lambda: "micro-batch • 40" in " ".join(shown(app).split()))
        assert app.query_one("#knobs", Rows).has_focus

    drive(session, walk)
    assert load_session(session).inputs.overrides[MICRO] == 40


def test_a_value_that_is_nonsense_is_refused_under_its_field(session: Path) -> None:
    before = _said(session)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await opened(pilot, app)
        was = gauge(app)
        await pilot.press("tab")
        for down, typed, said in (
            (0, "many", "whole number"),
            (0, "-4", "take a value in"),
            (0, "999999", "cannot be"),
            # 64 tokens at least are needed for these rows: below it answers would lose their end.
            (2, "8", "lose the end"),
            (7, "sgd9000", "optim"),
        ):
            await pilot.press("g", *("j" * down), "e", *typed)
            await until(pilot, lambda said=said: said in " ".join(shown(app).split()))
            await pilot.press("enter")
            await pilot.pause()
            assert said in " ".join(shown(app).split())
            assert app.focused is app.query_one("#knob-value")
            assert gauge(app) == was
            await pilot.press("escape")

    drive(session, walk)
    assert _said(session) == before


def test_prices_come_for_every_knob(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await opened(pilot, app)
        await until(pilot, lambda: "…" not in " ".join(app.query_one("#knobs", Rows).shown))
        prices = app.query_one("#knobs", Rows).shown
        assert len(prices) == 10
        assert any("MiB" in price for price in prices)
        assert any("same memory" in price for price in prices)

    drive(session, walk)


def test_on_a_gpu_that_is_nearly_full_all_verdicts_show_and_no_is_asked_about(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tiny model needs about half a GiB on CUDA, most of it the context.
    on(monkeypatch, machine((gpu(0.3),)))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await opened(pilot, app)
        assert " no " in shown(app)
        assert "too much" in gauge(app)
        assert "on GPU0" in gauge(app)
        await pilot.press("enter")
        await pilot.pause()
        assert "does not fit" in shown(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.pane.STEP == "method"
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("y")
        await until(pilot, lambda: app.pane.STEP == "train")

    app = drive(session, walk)
    assert "method" in app.bench.place.confirmed


def test_where_nothing_fits_the_screen_says_what_would(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, machine((gpu(0.3),)))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await opened(pilot, app)
        assert "* smallest: nothing fits" in shown(app)
        await until(pilot, lambda: "another machine: 1x" in " ".join(shown(app).split()))
        assert "would fit:" in shown(app)

    drive(session, walk)


def test_another_method_is_used_and_settings_it_lacks_are_taken_back(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await opened(pilot, app)
        app.bench.set("lora.r", 8)
        await pilot.press("G")
        await until(pilot, lambda: pane(app)._marked == "full")
        assert "full on" in gauge(app)
        assert "rank" not in " ".join(app.query_one("#knobs", Rows).shown)
        await pilot.press("enter")
        await until(pilot, lambda: app.pane.STEP == "train")
        assert "lora.r" in shown(app)

    app = drive(session, walk)
    assert app.bench.inputs.method == "full"
    assert "lora.r" not in app.bench.inputs.overrides
    assert isinstance(app.bench.plan, Plan)


def test_the_advised_method_is_left_to_the_rules(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await opened(pilot, app)
        app.bench.answer(method="qlora")
        pane(app).show()
        await pilot.press("g")
        await until(pilot, lambda: pane(app)._marked == "lora")
        await pilot.press("enter")
        await until(pilot, lambda: app.pane.STEP == "train")

    assert drive(session, walk).bench.inputs.method == "auto"


def test_for_another_model_the_cursor_stands_on_what_is_advised_for_it(
    session: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(load_session(session).inputs.model, other)
    config = json.loads((other / "config.json").read_bytes())
    (other / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 256}))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await opened(pilot, app)
        methods = app.query_one("#methods", Rows)
        await pilot.press("j", "j")
        await until(pilot, lambda: methods.key == "full")
        app.bench.answer(model=str(other))
        pane(app).post_message(MethodPane.Changed())
        await until(pilot, lambda: methods.key == "lora" and "other" in shown(app))

    drive(session, walk)


def test_memory_and_reasons_open_are_found_in_and_close(session: Path) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await opened(pilot, app)
        await pilot.press("m")
        await until(pilot, lambda: "safe bound" in shown(app) and "= expected peak" in shown(app))
        await pilot.press("j")
        assert "fragmentation" in shown(app)
        await pilot.press("w")
        await until(pilot, lambda: "rule" in shown(app))
        rows = app.query_one("#detail", Rows)
        everything = len(rows.shown)
        assert everything > 30
        await pilot.press("slash", *"lora.alpha", "backspace")
        await pilot.press(*"learning")
        await until(pilot, lambda: len(rows.shown) < everything)
        await pilot.press("escape")
        await until(pilot, lambda: len(rows.shown) == everything)
        await pilot.press("escape")
        await until(pilot, lambda: "room for" in shown(app))
        assert app.pane.STEP == "method"

    drive(session, walk)


def test_without_rows_it_sizes_with_assumed_ones_and_says_so(session: Path) -> None:
    loaded = load_session(session)
    inputs = msgspec.structs.replace(loaded.inputs, data=DataInput(path="gone.jsonl"), overrides={})
    save_session(msgspec.structs.replace(loaded, inputs=inputs), session)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("5")
        await until(pilot, lambda: "Assumed, not measured" in shown(app))
        assert "fits" in shown(app)
        await pilot.press("enter")
        await pilot.pause()
        assert "3 says which" in shown(app)
        assert app.pane.STEP == "method"

    drive(session, walk)


def test_a_model_that_cannot_be_used_is_named_with_the_key_that_helps(session: Path) -> None:
    loaded = load_session(session)
    inputs = msgspec.structs.replace(loaded.inputs, model="gone")
    save_session(msgspec.structs.replace(loaded, inputs=inputs), session)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await pilot.press("5")
        await until(pilot, lambda: "there is no model" in shown(app))
        assert "4 chooses another model" in shown(app)
        await pilot.press("enter", "tab", ">", "w", "m")
        await pilot.pause()
        assert app.pane.STEP == "method"

    async def look(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: "there is no model" in shown(app))
        # From there no other step can be reached.
        assert "4 chooses" not in shown(app)
        assert "`tunewright size MODEL` sizes another one" in shown(app)

    drive(session, walk)
    drive(session, look, alone="method")


def test_sizing_alone_changes_no_session(session: Path) -> None:
    before = _said(session)

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: "Assumed, not measured" in shown(app))
        await until(pilot, lambda: app.query_one("#methods", Rows).has_focus)
        was = gauge(app)
        # One step: two halve the length and double the micro-batch, and the peak stays.
        await pilot.press("tab", "j", "j", "<")
        await until(pilot, lambda: gauge(app) != was)
        assert "max length • 384" in " ".join(shown(app).split())
        await pilot.press("enter")
        await pilot.pause()
        assert "sizing alone" in shown(app)
        # Rows that are only assumed are not counted either.
        assert app.bench.data is None

    drive(session, walk, alone="method")
    assert _said(session) == before


def _said(session: Path) -> dict[str, object]:
    """What a person said; fingerprints are what was found of it."""
    inputs = json.loads(session.read_bytes())["inputs"]
    data = {k: v for k, v in inputs["data"].items() if "fingerprint" not in k}
    return {k: v for k, v in inputs.items() if k != "model_fingerprint"} | {"data": data}


def test_a_simulated_machine_plans_like_a_real_one(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, machine((gpu(20), gpu(22, index=1))))

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await opened(pilot, app)
        assert "on GPU1" in gauge(app)
        assert "SIM" in shown(app)
        plan = pane(app).gauged()
        assert isinstance(plan, Plan)
        assert plan.chosen().free_bytes == 22 * GIB

    drive(session, walk)
