"""Bare `tunewright size`: the Method screen alone, which leaves no trace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from live import PROGRAM
from screens import write_session
from terminal import Terminal
from tiny import TinyData

from tunewright.tui.workbench import Workbench


def _files(home: Path) -> dict[str, tuple[bytes, int]]:
    found = (path for path in home.rglob("*") if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def test_it_opens_and_closes_and_no_file_is_written(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(home))
    Workbench.open(write_session(home / "sessions" / "own", tiny_model, tiny_data)).saver.flush()
    before = _files(home)
    environment = dict(os.environ) | {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    with Terminal([PROGRAM, "size"], environment) as terminal:
        terminal.until("[5 Method]")
        terminal.until("Assumed, not measured")
        terminal.press("\t")
        terminal.until("knob   ")
        terminal.press(">")
        terminal.until("• ")
        terminal.press("6")
        terminal.until("opened for this step alone")
        terminal.press("q")
        assert terminal.ended() == 0
    with Terminal([PROGRAM, "size", "--ascii"], environment) as terminal:
        terminal.until("= expected")
        assert terminal.shown.isascii()
        terminal.press("q")
        assert terminal.ended() == 0
    assert _files(home) == before
