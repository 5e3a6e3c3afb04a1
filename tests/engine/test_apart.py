"""A process of its own answers, fails as told, and goes when it is not wanted any more."""

from __future__ import annotations

import os
import threading
import time

import pytest

from tunewright.engine.apart import Apart, Left
from tunewright.hardware.errors import Exit, Problem


def refuse(what: str) -> None:
    raise Problem(what, why="so", cure="else", exit=Exit.FAILED)


def test_calls_are_made_elsewhere_and_problems_come_back_whole() -> None:
    apart = Apart()
    try:
        pid = apart.call(os.getpid)
        assert pid != os.getpid()
        assert apart.call(os.getpid) == pid
        with pytest.raises(Problem) as caught:
            apart.call(refuse, "no")
        told = caught.value
        assert (told.what, told.why, told.cure, told.exit) == ("no", "so", "else", Exit.FAILED)
    finally:
        apart.stop()


def test_a_stop_ends_the_call_under_way_and_the_next_one_starts_anew() -> None:
    apart = Apart()
    ended: list[BaseException] = []
    pid = apart.call(os.getpid)

    def wait() -> None:
        try:
            apart.call(time.sleep, 600)
        except Left as left:
            ended.append(left)

    thread = threading.Thread(target=wait)
    thread.start()
    apart.stop()
    thread.join(60)
    assert len(ended) == 1
    try:
        assert apart.call(os.getpid) != pid
    finally:
        apart.stop()


def test_a_process_that_was_killed_is_told() -> None:
    apart = Apart()
    try:
        with pytest.raises(Problem, match="was ended"):
            apart.call(os._exit, 9)
    finally:
        apart.stop()
