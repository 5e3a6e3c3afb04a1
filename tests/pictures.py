"""The pictures of the README, exported from the program: the demo's session and a real run of it.

    python tests/pictures.py [RUN [PANE …]]    # RUN: id or directory of a demo run; else the last

Panes (all unless named) are drawn at 80x24 into tui/pictures/*.svg. The
session is a copy, so what the person has on the bench stays.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path

from screens import shown, until
from textual.pilot import Pilot

from tunewright.engine.demo.session import demo_session
from tunewright.engine.homes import cache_home, index_home, runs_home, sessions_home
from tunewright.engine.plan import Plan
from tunewright.engine.run.rundir import RunDir, find_run
from tunewright.engine.session import save_session
from tunewright.tui.app import TunewrightApp
from tunewright.tui.workbench import Place, Workbench

_XDG = ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")
PICTURES = Path(__file__).parents[1] / "tui" / "pictures"

# Panes, and the text that stands on the screen once it is complete.
SHOTS = {
    "machine": "RAM taken",
    "goal": "provisional",
    "data": "tokens",
    "model": "parameters",
    "method": "expected",
    "train": "loss",
    "prove": "held-out rows",
    "ship": "merged",
    "runs": "run",
}


def take(run: RunDir, names: list[str], into: Path, size: tuple[int, int] = (80, 24)) -> None:
    """Draw the named panes with `run` in Train, Prove and Ship."""

    async def walk(run: RunDir) -> None:
        session = sessions_home() / "demo" / "session.json"
        session.parent.mkdir(parents=True)
        save_session(demo_session(), session)
        bench = Workbench(session, demo_session(), Place(run=str(run.path)))
        app = TunewrightApp(bench)
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: isinstance(app.bench.plan, Plan))
            for name in names:
                text = SHOTS[name]
                await app.action_step(name)
                await until(pilot, lambda text=text: text in shown(app))
                await _settled(pilot, app)
                into.mkdir(exist_ok=True)
                picture = _light(app.export_screenshot(title="tunewright"))
                (into / f"{name}.svg").write_text(picture)
        bench.saver.flush()

    # A home of its own: what else runs, and whose machine this is, is no business of a README.
    real = (cache_home(), run.path)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder
        for name in ("TUNEWRIGHT_HOME", "HF_HOME", *_XDG):
            os.environ.pop(name, None)
        own = RunDir(runs_home() / run.path.name)
        for link, to in zip((cache_home(), own.path), real, strict=True):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(to)
        index_home().mkdir(parents=True)
        (index_home() / run.read_record().id).write_text(f"{own.path}\n")
        asyncio.run(walk(own))


async def _settled(pilot: Pilot[int], app: TunewrightApp) -> None:
    before = ""
    while before != shown(app):
        before = shown(app)
        await pilot.pause(0.6)


def _light(svg: str) -> str:
    """Without the web fonts that no README loads: any font with a fixed width will do."""
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"[ \t]+\n", "\n", svg)


if __name__ == "__main__":
    chosen = find_run(sys.argv[1] if len(sys.argv) > 1 else "last")
    take(chosen, sys.argv[2:] or list(SHOTS), PICTURES)
