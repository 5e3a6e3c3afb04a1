"""Where things live on disk: runs, cache and the run index, under the XDG directories."""

from __future__ import annotations

import os
from pathlib import Path


def _xdg(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable, "")
    # The XDG specification: a relative path is invalid and ignored.
    return Path(value) if value.startswith("/") else Path.home() / fallback


def _place(variable: str, fallback: str, name: str) -> Path:
    home = os.environ.get("TUNEWRIGHT_HOME")
    if home:
        return Path(home).expanduser().absolute() / name
    return _xdg(variable, fallback) / "tunewright" / name


def cache_home() -> Path:
    """Converted models and other things that can be made again."""
    return _place("XDG_CACHE_HOME", ".cache", "cache")


def runs_home() -> Path:
    """Run directories, unless `--run-dir` names another place."""
    return _place("XDG_DATA_HOME", ".local/share", "runs")


def index_home() -> Path:
    """One small file per run that names its directory, wherever that is."""
    return _place("XDG_STATE_HOME", ".local/state", "index")


def state_home() -> Path:
    """What helps to find out what happened; it may be deleted."""
    return _place("XDG_STATE_HOME", ".local/state", "state")


def sessions_home() -> Path:
    """Session files that the program writes for the person, the demo's among them."""
    return _place("XDG_DATA_HOME", ".local/share", "sessions")
