"""The folders whose file systems a run fills: shown with the machine, before they are full."""

from __future__ import annotations

from pathlib import Path

from tunewright.engine.homes import cache_home, runs_home
from tunewright.engine.model import hub_cache


def places() -> dict[str, Path]:
    """What each is for -> the folder, which need not exist yet."""
    return {"runs": runs_home(), "cache": cache_home(), "models": hub_cache()}
