"""How many CPU threads train fastest here: probed once a run, kept for its resumes and replays.

On a machine with other work two threads can be slower than one, and the count changes the order of
sums and with it the digits of the losses: so it is recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tunewright.engine.files import write_atomic

# A probe has to beat the smaller count clearly, since timings on a busy machine scatter.
_CLEARLY = 0.95
_ROUNDS = 2


def recorded_threads(results: Path) -> dict[str, int]:
    """results/threads.json: threads by kind of work; empty while there is none."""
    path = results / "threads.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, int]) if path.is_file() else {}


def record_threads(results: Path, kind: str, threads: int) -> None:
    """Enter one kind of work in results/threads.json."""
    results.mkdir(mode=0o700, exist_ok=True)
    known = recorded_threads(results) | {kind: threads}
    write_atomic(results / "threads.json", msgspec.json.encode(known, order="sorted"))


def fastest_threads(available: int, work: Callable[[int], None]) -> int:
    """The thread count among 1, half and all of `available` for which `work(count)` is fastest.

    The best of two rounds counts, after one to warm up; a larger count has to win by 5 %.
    """
    best, best_seconds = 0, float("inf")
    for count in sorted({1, max(1, available // 2), available}):
        if count == available == 1:
            return 1
        work(count)
        seconds = min(_seconds(work, count) for _ in range(_ROUNDS))
        if seconds < best_seconds * _CLEARLY:
            best, best_seconds = count, seconds
    return best


def _seconds(work: Callable[[int], None], count: int) -> float:
    started = time.perf_counter()
    work(count)
    return time.perf_counter() - started
