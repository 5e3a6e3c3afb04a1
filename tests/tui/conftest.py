"""What tests of the screens share; a file with another `session` makes its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from screens import write_session
from tiny import TinyData


@pytest.fixture
def session(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A session of the tiny model and rows, with its runs beside it in `tmp_path`."""
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path))
    return write_session(tmp_path / "s", tiny_model, tiny_data)
