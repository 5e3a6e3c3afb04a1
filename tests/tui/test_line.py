"""The driver waits for what the terminal still has to say, and for nothing else."""

from __future__ import annotations

import threading
import time

import pytest
from textual.drivers.linux_driver import LinuxDriver

from tunewright.tui import line
from tunewright.tui.flow import Flow
from tunewright.tui.line import LineDriver


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether an answer was still to come, each time that input was given up."""
    found: list[bool] = []

    def give_up(driver: LineDriver) -> None:
        found.append(driver.flow.waiting)

    monkeypatch.setattr(LinuxDriver, "disable_input", give_up)
    return found


def driver() -> LineDriver:
    """One whose last frame has asked for an answer, without a terminal."""
    made = LineDriver.__new__(LineDriver)
    made.flow = Flow()
    made._output = line._Output(None)  # type: ignore[arg-type]
    made.flow.sent(100, time.monotonic())
    return made


def test_leaving_waits_for_the_answer_that_the_shell_would_get(left: list[bool]) -> None:
    leaving = driver()
    terminal = threading.Timer(0.05, lambda: leaving.flow.answered(time.monotonic()))
    terminal.start()
    leaving.disable_input()
    assert left == [False]


def test_a_terminal_that_does_not_answer_is_left_all_the_same(
    left: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_LEAVING_SECONDS", 0.02)
    driver().disable_input()
    assert left == [True]


def test_a_terminal_that_takes_nothing_more_is_left_at_once(left: list[bool]) -> None:
    stuck = driver()
    stuck._output.writing = True
    stuck.disable_input()
    assert left == [True]


def test_nothing_is_written_while_the_last_write_has_not_ended() -> None:
    stuck = driver()
    stuck._writer_thread = None
    assert stuck.free
    stuck._output.writing = True
    assert not stuck.free
