"""How much is sent before the terminal has taken what came before."""

from __future__ import annotations

from tunewright.tui.flow import AHEAD_BYTES, LIVE_SHARE, PATIENCE_SECONDS, Flow


def test_a_terminal_that_never_answers_is_not_waited_for_and_not_asked_for_ever() -> None:
    flow = Flow()
    flow.sent(10 * AHEAD_BYTES, 0.0)
    assert flow.free(0.1)
    assert flow.asks
    assert flow.free(PATIENCE_SECONDS + 1)
    assert not flow.asks
    assert not flow.waiting


def answering(seconds: float) -> Flow:
    """Of a terminal that has answered once, after so long."""
    flow = Flow()
    flow.sent(100, 0.0)
    flow.answered(seconds)
    return flow


def test_the_line_takes_no_more_than_it_carries_in_one_answer() -> None:
    flow = answering(0.4)
    flow.sent(AHEAD_BYTES // 2, 1.0)
    assert flow.free(1.0)
    flow.sent(AHEAD_BYTES, 1.0)
    assert not flow.free(1.1)
    flow.answered(1.4)
    assert flow.free(1.4)


def test_an_answer_that_was_lost_holds_nothing_up_for_ever() -> None:
    flow = answering(0.4)
    flow.sent(2 * AHEAD_BYTES, 1.0)
    assert not flow.free(1.0 + PATIENCE_SECONDS)
    assert flow.free(1.1 + PATIENCE_SECONDS)
    assert flow.asks


def test_live_values_come_less_often_over_a_slow_line() -> None:
    slow, fast = answering(0.5), answering(0.001)
    for flow, drawn in ((slow, 5), (fast, 10)):
        assert sum(flow.live("machine", 10.0 + at) for at in range(10)) == drawn
    assert LIVE_SHARE == 0.25


def test_one_kind_of_live_values_does_not_starve_another() -> None:
    flow = answering(0.5)
    drawn = [what for at in range(8) for what in ("machine", "run") if flow.live(what, 10.0 + at)]
    assert drawn.count("run") == drawn.count("machine") == 4


def test_live_values_wait_while_the_line_is_taken() -> None:
    flow = answering(0.5)
    flow.sent(2 * AHEAD_BYTES, 1.0)
    assert not flow.live("machine", 1.5)


def test_an_answer_too_many_is_nothing() -> None:
    flow = answering(0.5)
    flow.answered(9.0)
    assert flow.seconds == 0.5
