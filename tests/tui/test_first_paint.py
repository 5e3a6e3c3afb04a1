"""The first pane is painted, and answers keys, before anything is imported that it can do without.

Held by structure and not by time: what a paint waits for is what has been imported before it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live import PROGRAM
from screens import write_session
from terminal import Terminal
from tiny import TinyData

# Writes down what is imported when the first of what is not to be waited for is asked for, and lets
# that go on only when it is told to.
PROBE = """
import importlib.abc, importlib.machinery, os, sys, time

class Gate(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name != "tunewright.tui.lookout":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        # Not in here: whoever finds holds the lock of all imports.
        self.loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        with open(os.environ["TOLD"] + ".part", "w") as file:
            file.write("\\n".join(sys.modules))
        os.rename(os.environ["TOLD"] + ".part", os.environ["TOLD"])
        while not os.path.exists(os.environ["GO"]):
            time.sleep(0.02)
        self.loader.exec_module(module)

sys.meta_path.insert(0, Gate())
"""

# Modules, with all that is below them, that the first paint of Machine does not need.
NOT_YET = (
    # Plans, verdicts, what a run gave.
    "tunewright.engine.planner", "tunewright.engine.method_fit", "tunewright.engine.choose",
    "tunewright.engine.replay", "tunewright.engine.results", "tunewright.engine.evidence.decision",
    "tunewright.engine.decide.decide", "tunewright.engine.decide.rules", "tunewright.engine.train",
    "tunewright.engine.prove", "tunewright.engine.ship", "tunewright.engine.suspect",
    "tunewright.engine.demo.smollm2", "tunewright.engine.trace", "tunewright.engine.guide",
    "tunewright.hardware.memory.training", "tunewright.hardware.model_catalogue",
    # What is looked at, in threads.
    "tunewright.engine.run.view", "tunewright.engine.run.events", "tunewright.engine.data.read",
    "tunewright.engine.data.tokens", "tunewright.hardware.nvml", "tunewright.hardware.watch",
    "tunewright.hardware.take", "tunewright.tui.planning", "tunewright.tui.ended",
    # Boxes, and what other panes draw with.
    "tunewright.tui.screens.ask", "tunewright.tui.screens.guide", "tunewright.tui.screens.keys",
    "tunewright.tui.screens.palette", "tunewright.tui.screens.text",
    "tunewright.tui.screens.trouble", "tunewright.tui.screens.what_if", "tunewright.tui.fits_here",
    "tunewright.tui.widgets.curve", "tunewright.tui.widgets.plot", "tunewright.tui.widgets.pyramid",
    "tunewright.tui.knobs", "tunewright.tui.watched",
    # Libraries.
    "torch", "transformers", "tokenizers", "jinja2", "numpy", "psutil", "pynvml", "hashlib",
    "tomllib", "importlib.metadata", "textual.widgets._data_table",
    "textual.widgets._text_area", "textual.widgets._markdown",
)  # fmt: skip
PANES = ("goal", "data", "model", "method", "train", "prove", "ship", "runs")
# Of ours; 66 when this was written.
MOST_MODULES = 80


class Opened:
    """The program, held where it would begin to look at things."""

    def __init__(self, terminal: Terminal, told: Path, go: Path) -> None:
        self.terminal = terminal
        self._told = told
        self._go = go

    def imported(self) -> set[str]:
        """What had been imported by then."""
        while not self._told.exists():
            self.terminal.read(0.05)
        return set(self._told.read_text().split())

    def go(self) -> None:
        self._go.touch()


@pytest.fixture
def opened(tmp_path: Path, tiny_model: Path, tiny_data: TinyData) -> Iterator[Opened]:
    session = write_session(tmp_path / "session", tiny_model, tiny_data)
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe" / "sitecustomize.py").write_text(PROBE)
    told, go = tmp_path / "told", tmp_path / "go"
    base = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
    base |= {
        "TUNEWRIGHT_HOME": str(tmp_path / "home"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(tmp_path / "probe"),
        "TOLD": str(told),
        "GO": str(go),
    }
    with Terminal([PROGRAM, "--session", str(session)], base) as terminal:
        yield Opened(terminal, told, go)


def below(names: tuple[str, ...]) -> Callable[[str], bool]:
    return lambda module: any(module == name or module.startswith(f"{name}.") for name in names)


def test_the_first_paint_waits_for_no_module_that_it_can_do_without(opened: Opened) -> None:
    opened.terminal.until("enter next")
    imported = opened.imported()
    assert "tunewright.tui.panes.machine" in imported
    assert sorted(filter(below(NOT_YET), imported)) == []
    assert not imported & {f"tunewright.tui.panes.{pane}" for pane in PANES}
    ours = [module for module in imported if module.partition(".")[0] == "tunewright"]
    assert len(ours) <= MOST_MODULES, len(ours)


def test_keys_are_answered_while_what_looks_at_things_is_being_imported(opened: Opened) -> None:
    terminal = opened.terminal
    terminal.until("enter next")
    opened.imported()
    for key, answer in (
        ("2", "[2 Goal]"), ("9", "[9 Runs]"), ("1", "[1 Machine]"), ("?", "Machine: "),
        ("\x1b", "[1 Machine]"), ("\x10", "a command or a step"), ("\x1b", "[1 Machine]"),
        ("/", "there is nothing to find"), ("\r", "[2 Goal]"), ("1", "[1 Machine]"),
    ):  # fmt: skip
        terminal.press(key)
        terminal.until(answer)
    assert "looking at the machine" in terminal.shown
    opened.go()
    terminal.until(" free")
    terminal.press("q")
    assert terminal.ended() == 0
