"""How an attempt ended is told by who ended it, and never guessed where it is known."""

from __future__ import annotations

import signal

import pytest

from tunewright.engine.run.ending import WorkerEnd, ending
from tunewright.engine.run.events import Failed
from tunewright.engine.run.rundir import ExitRecord

RESUME = "tunewright resume fake-1"


def end(code: int, **known: object) -> ExitRecord:
    return ending(WorkerEnd(code, **known), 1, RESUME, 5.0)  # type: ignore[arg-type]


def test_done_stopped_and_what_the_worker_said() -> None:
    assert end(0).state == "done"
    stopped = end(75, stop_reason="asked to stop by Ctrl-C")
    assert (stopped.state, stopped.exit, stopped.why) == ("stopped", 75, "asked to stop by Ctrl-C")
    failed = end(3, said=Failed(what="too large", why="w", cure="c", exit=3))
    assert (failed.state, failed.exit, failed.what, failed.cure) == ("failed", 3, "too large", "c")


@pytest.mark.parametrize(
    ("number", "known", "why"),
    [
        (signal.SIGKILL, {"waited_seconds": 621.0}, "the supervisor sent it"),
        (signal.SIGKILL, {"oom_kills": 1}, "OOM killer ended it"),
        (signal.SIGKILL, {}, "something sent SIGKILL"),
        (signal.SIGSEGV, {}, "native code"),
        (signal.SIGTERM, {}, "another program sent it"),
        (signal.SIGRTMAX, {}, "another program sent it"),
    ],
)
def test_a_signal_is_put_down_to_who_sent_it(
    number: signal.Signals, known: dict[str, object], why: str
) -> None:
    ended = end(-number, **known)
    assert ended.state == "failed"
    assert why in ended.why
    assert RESUME in ended.cure


def test_a_worker_that_dies_of_the_order_to_stop_has_stopped() -> None:
    assert end(-signal.SIGTERM, stop_reason="asked to stop").state == "stopped"
    assert end(-signal.SIGKILL, killed=True, stop_reason="asked to be killed").state == "stopped"


def test_silence_on_a_full_disk_is_put_down_to_the_disk() -> None:
    full = end(1, free_bytes=4096)
    assert full.what == "the disk is full"
    assert full.cure == f"make room, then: {RESUME}"
    assert "said nothing" in end(1, free_bytes=1 << 30).what
    assert "said nothing" in end(1).what
