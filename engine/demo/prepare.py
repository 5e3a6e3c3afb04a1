"""The demo made ready: its model in the cache, its session on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tunewright.engine.demo.session import demo_session
from tunewright.engine.demo.smollm2 import ensure_demo_model
from tunewright.engine.homes import cache_home, sessions_home
from tunewright.engine.session import save_session


def prepare_demo(say: Callable[[str], None]) -> Path:
    """Have the model in the cache and the session on disk; the session's path.

    A session that is already there is kept: it holds what the last run recorded.
    """
    ensure_demo_model(cache_home(), say)
    path = sessions_home() / "demo" / "session.json"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        save_session(demo_session(), path)
    return path
