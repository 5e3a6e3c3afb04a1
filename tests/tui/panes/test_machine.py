"""The Machine pane: any number of devices, in any view, on a small terminal; and what it decides.

After a wanted change: UPDATE_SNAPSHOTS=1 pytest on this file, then read the diff.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from machines_shown import NONE, box, desktop
from screens import drive, shown, until, write_session
from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.plan import Plan
from tunewright.hardware.snapshot import Snapshot
from tunewright.hardware.whatif import imagine
from tunewright.tui.app import TunewrightApp
from tunewright.tui.panes.machine import MachinePane

STORED = Path(__file__).with_name("machine")


class Shot(NamedTuple):
    """`keys` lead to what is pictured, on which `text` must stand."""

    name: str
    machine: Callable[[int], Snapshot]
    text: str
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (80, 24)
    ascii: bool = False


SHOTS = (
    Shot("none", lambda step: NONE, "No NVIDIA GPU"),
    Shot("one", lambda step: box("RTX 4090", step), "RTX 4090"),
    Shot("eight", lambda step: box("8x H100 80GB", step), "H100"),
    Shot("eight-by-use", lambda step: box("8x H100 80GB", step), "by use", ("s", "s")),
    Shot("eight-processes", lambda step: box("8x H100 80GB", step), "alice", ("tab",)),
    Shot("eight-links", lambda step: box("8x H100 80GB", step), "18 links", ("tab", "tab")),
    Shot("sixteen", lambda step: box("16x V100 32GB", step), "V100"),
    Shot("sixteen-links", lambda step: box("16x V100 32GB", step), "6 links", ("tab", "tab")),
    Shot("sixteen-narrow", lambda step: box("16x V100 32GB", step), "V100", (), (60, 20)),
    Shot("sixteen-wide", lambda step: box("16x V100 32GB", step), "V100", (), (120, 40)),
    Shot("eight-ascii", lambda step: box("8x H100 80GB", step), "H100", (), (80, 24), True),
    Shot("lost", lambda step: desktop(), "does not answer"),
    Shot("slices", lambda step: imagine("A100 80GB mig 3g.40gb + 3g.40gb"), "SIM"),
)


class Live:
    """A machine that is read again each second, three times; then it stands still."""

    def __init__(self, machine: Callable[[int], Snapshot]) -> None:
        self._machine = machine
        self.readings = 0

    def __call__(self) -> Snapshot:
        step = min(self.readings, 2)
        self.readings += 1
        return self._machine(step)


@pytest.fixture
def walked(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TunewrightApp]:
    """Opens the app on a machine and walks it."""
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tunewright.tui.lookout.LOOK_SECONDS", 0.1)

    def go(
        machine: Callable[[], Snapshot],
        walk: Callable[[Pilot[int], TunewrightApp], Awaitable[None]],
        **options: object,
    ) -> TunewrightApp:
        session = write_session(tmp_path / "s", tiny_model, tiny_data)
        return drive(session, walk, machine=machine, **options)  # type: ignore[arg-type]

    return go


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
def test_any_number_of_devices_is_shown(shot: Shot, walked: Callable[..., TunewrightApp]) -> None:
    live = Live(shot.machine)
    seen = ""

    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        nonlocal seen
        await until(pilot, lambda: live.readings > 3 and isinstance(app.bench.plan, Plan))
        for key in shot.keys:
            await pilot.press(key)
            await pilot.pause()
        await until(pilot, lambda: shot.text in shown(app))
        await pilot.pause(0.3)
        seen = shown(app)

    walked(live, walk, size=shot.size, plain_ascii=shot.ascii)
    lines = seen.splitlines()
    assert all(len(line) <= shot.size[0] for line in lines)
    if shot.ascii:
        assert seen.isascii()
    stored = STORED / f"{shot.name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        STORED.mkdir(exist_ok=True)
        stored.write_text(seen + "\n")
    assert seen + "\n" == stored.read_text()


def test_a_device_is_chosen_for_the_run_and_given_back(
    walked: Callable[..., TunewrightApp],
) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: isinstance(app.bench.plan, Plan))
        plan = app.bench.plan
        assert isinstance(plan, Plan)
        assert plan.device.rule == "device.most-free-memory"
        for key in ("j", "j", "j", "space"):
            await pilot.press(key)
            await pilot.pause()
        plan = app.bench.plan
        assert isinstance(plan, Plan)
        assert plan.device.rule == "device.asked"
        assert plan.devices[0].label == "3"
        assert app.bench.inputs.device == plan.devices[0].uuid
        assert "* 3" in shown(app)
        await pilot.press("w")
        await pilot.pause()
        plan = app.bench.plan
        assert isinstance(plan, Plan)
        assert plan.device.rule == "device.wait-until-free"
        for key in ("w", "space"):
            await pilot.press(key)
            await pilot.pause()
        assert (app.bench.inputs.device, app.bench.inputs.when_busy) == ("auto", "another")

    walked(lambda: box("8x H100 80GB"), walk)


def test_the_list_is_filtered(walked: Callable[..., TunewrightApp]) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: "H100" in shown(app))
        pane = app.pane
        assert isinstance(pane, MachinePane)
        await pilot.press("tab", "slash", *"4003", "enter")
        await until(pilot, lambda: len(pane._list.shown) == 1)
        assert "4000" not in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: len(pane._list.shown) == 3)

    walked(lambda: box("8x H100 80GB"), walk)


def test_what_can_do_nothing_says_why(walked: Callable[..., TunewrightApp]) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: app.bench.snapshot is not None)
        await pilot.pause()
        for command in ("view", "sort", "use", "when_busy"):
            assert app.why_not(command), command
        for key in ("tab", "s", "space", "w"):
            await pilot.press(key)
        assert app.bench.inputs.device == "auto"

    walked(lambda: NONE, walk)


def test_a_machine_that_is_not_here_is_named_planned_on_and_left_again(
    walked: Callable[..., TunewrightApp],
) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        def seen() -> Snapshot:
            assert app.bench.snapshot is not None
            return app.bench.snapshot

        await until(pilot, lambda: isinstance(app.bench.plan, Plan))
        await pilot.press("space")
        here = app.bench.inputs.device
        assert here == seen().gpus[0].uuid

        await pilot.press("m")
        await until(pilot, lambda: "What if" in shown(app))
        # A typing error is answered with the nearest name, where one types.
        await pilot.press(*"H1000", "enter")
        await until(pilot, lambda: "the nearest: H100" in shown(app))
        assert not seen().simulated
        # The catalogue completes what is begun, after a count.
        await pilot.press(*["backspace"] * 5, *"4x a100 s", "tab", "enter")
        await until(pilot, lambda: app.bench.snapshot is not None and seen().simulated)
        assert [gpu.name for gpu in seen().gpus] == ["NVIDIA A100-SXM4-80GB"] * 4
        await until(pilot, lambda: isinstance(app.bench.plan, Plan) and "SIM" in shown(app))
        # The device chosen here is none of that machine.
        assert app.bench.inputs.device == "auto"
        recorded = app.bench.session.recorded
        assert recorded is not None
        assert recorded.snapshot.simulated

        await pilot.press("m", *"rtx 3090", "down", "down", "enter")
        await until(pilot, lambda: "3090 Ti" in shown(app) and isinstance(app.bench.plan, Plan))

        await pilot.press("escape")
        await until(pilot, lambda: app.bench.snapshot is not None and not seen().simulated)
        await until(pilot, lambda: isinstance(app.bench.plan, Plan) and "SIM" not in shown(app))
        assert app.bench.inputs.device == here
        assert app.bench.place.step == "machine"

    walked(lambda: box("8x H100 80GB"), walk)


def test_a_box_opened_and_left_changes_nothing(walked: Callable[..., TunewrightApp]) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: isinstance(app.bench.plan, Plan))
        before = app.bench.snapshot
        await pilot.press("m", *"8x H", "escape")
        await pilot.pause()
        assert app.bench.snapshot is not None
        assert before is not None
        assert app.bench.snapshot.host == before.host
        assert not app.bench.snapshot.simulated

    walked(lambda: box("RTX 4090"), walk)


def test_several_devices_are_chosen_to_train_together(
    walked: Callable[..., TunewrightApp],
) -> None:
    async def walk(pilot: Pilot[int], app: TunewrightApp) -> None:
        await until(pilot, lambda: isinstance(app.bench.plan, Plan))
        for key in ("space", "j", "plus", "j", "plus"):
            await pilot.press(key)
            await pilot.pause()
        plan = app.bench.plan
        assert isinstance(plan, Plan)
        assert [device.label for device in plan.devices] == ["0", "1", "2"]
        assert "* 2" in shown(app)
        for key in ("plus", "k", "plus"):
            await pilot.press(key)
            await pilot.pause()
        plan = app.bench.plan
        assert isinstance(plan, Plan)
        assert [device.label for device in plan.devices] == ["0"]

    walked(lambda: box("8x H100 80GB"), walk)
