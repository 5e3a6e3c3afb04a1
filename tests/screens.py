"""The screens on a tiny real model and data, in a home of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot
from tiny import TinyData

from tunewright.engine.session import VERSION, DataInput, Inputs, Session, save_session
from tunewright.tui.app import TunewrightApp
from tunewright.tui.workbench import Workbench

SHORT = {
    "training.max_steps": 6,
    "training.save_steps": 3,
    "training.eval_strategy": "no",
    "training.load_best_model_at_end": False,
}


def write_session(folder: Path, model: Path, data: TinyData) -> Path:
    """A session of the tiny model without a plan; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    inputs = Inputs(
        name="tiny",
        model=str(model),
        data=DataInput(path=str(data.train), eval_path=str(data.eval)),
        overrides=dict(SHORT),
    )
    save_session(Session(VERSION, inputs), folder / "session.json")
    return folder / "session.json"


def drive(
    session: Path,
    walk: Callable[[Pilot[int], TunewrightApp], Awaitable[None]],
    *,
    size: tuple[int, int] = (80, 24),
    **options: object,
) -> TunewrightApp:
    """Open the app on a session and `walk` it; the app, closed and saved."""

    async def run() -> TunewrightApp:
        app = TunewrightApp(Workbench.open(session), **options)  # type: ignore[arg-type]
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await walk(pilot, app)
        app.bench.saver.flush()
        return app

    return asyncio.run(run())


async def until(pilot: Pilot[int], met: Callable[[], object], patience: float = 60.0) -> None:
    """Wait until `met()` is true."""
    for _ in range(int(patience / 0.05)):
        if met():
            return
        await pilot.pause(0.05)
    raise AssertionError(f"never happened; on screen:\n{shown(pilot.app)}")


def shown(app: object) -> str:
    """What stands on the screen, as text."""
    strips = app.screen._compositor.render_strips()  # type: ignore[attr-defined]
    return "\n".join(strip.text.rstrip() for strip in strips)
