"""Over a slow line a key is answered in a round trip; unread, the screen costs a run nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from live import PROGRAM, Live, curves, steps_done, until, until_step
from runs import held, step, write_events, write_run
from screens import write_session
from terminal import Terminal
from tiny import TinyData
from trips import CARRIED_BYTES, Trips

from tunewright.engine.run.events import StageStarted, State
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.run.view import view
from tunewright.tui.workbench import Place

pytestmark = pytest.mark.slow


def environment(live: Live) -> dict[str, str]:
    left_out = ("NO_COLOR", "COLORTERM")
    base = {key: value for key, value in live.environment.items() if key not in left_out}
    return {**base, "LANG": "C.UTF-8"}


def stand_at(session: Path, run: RunDir) -> None:
    place = session.with_name("session.place.json")
    place.write_bytes(msgspec.json.encode(Place(step="train", run=str(run.path))))


# Keys, one after the other, and what answers each: a pane, a zoom, a box, a line of a list.
ANSWERS = [
    ("z", "loss, last 50 %"), ("z", "loss, last 20 %"), ("l", "20 %, log"), ("9", "[9 Runs]"),
    ("6", "[6 Train]"), ("5", "[5 Method]"), ("j", ">"), ("j", ">"), ("k", ">"),
    ("1", "[1 Machine]"), ("6", "[6 Train]"), ("?", "How is it going?"), ("\x1b", "[6 Train]"),
    ("2", "[2 Goal]"), ("3", "[3 Data]"), ("4", "[4 Model]"), ("7", "[7 Prove]"), ("8", "[8 Ship]"),
]  # fmt: skip


@pytest.fixture
def session(
    live: Live,
    tmp_path: Path,
    tiny_model: Path,
    tiny_data: TinyData,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(live.home))
    return write_session(tmp_path / "session", tiny_model, tiny_data)


@pytest.fixture
def growing(live: Live, session: Path, tiny_model: Path, tiny_data: TinyData) -> Iterator[RunDir]:
    """A run that lives and is at its 300th step; the session stands at it."""
    events = (StageStarted(stage="train", title="train"), *(step(n, 900) for n in range(1, 301)))
    said = (State(state="running"),)
    run = write_run(live.home, tiny_model, tiny_data, events, said=said)
    stand_at(session, run)
    lock = held(run)
    yield run
    os.close(lock)


def test_a_key_is_answered_within_one_round_trip(
    growing: RunDir, session: Path, live: Live
) -> None:
    with Trips([PROGRAM, "--session", str(session)], environment(live)) as terminal:
        terminal.until("each step")
        number = 300
        needed: dict[tuple[str, str], int] = {}
        for _ in range(4):
            terminal.trip()
        for key, text in ANSWERS:
            # The run goes on, and its values are drawn meanwhile.
            number += 1
            write_events(growing, "1-worker0", [step(number, 900)])
            for _ in range(3):
                terminal.trip()
            marked = terminal.cursor_line()
            terminal.press(key)
            needed[key, text] = terminal.trips_until(
                lambda text=text, marked=marked: (
                    terminal.cursor_line() != marked if text == ">" else text in terminal.shown
                )
            )
        assert set(needed.values()) == {1}, needed


def test_keys_that_nobody_sees_answered_fill_no_line(
    growing: RunDir, session: Path, live: Live
) -> None:
    with Trips([PROGRAM, "--session", str(session)], environment(live)) as terminal:
        terminal.until("each step")
        for _ in range(4):
            terminal.trip()
        before = terminal.written
        for key in "65" * 8:
            terminal.unseen(key)
        written = terminal.written - before
        terminal.press("1")
        needed = terminal.trips_until(lambda: "[1 Machine]" in terminal.shown)
        # Had each of the 16 panes been sent, they were some 40 KB.
        assert (written < 5 * CARRIED_BYTES, needed <= 5) == (True, True), (written, needed)


@pytest.mark.timeout(600)
def test_a_terminal_that_nobody_reads_costs_the_run_nothing(live: Live, session: Path) -> None:
    run = live.launch(steps=100_000)
    until_step(run, 5)
    stand_at(session, run)
    with Terminal([PROGRAM, "--session", str(session)], environment(live)) as terminal:
        terminal.until("RUNNING")
        terminal.until("each step")
        # Keys that draw whole panes fill what there is of buffers; from here on nobody reads.
        for _ in range(20):
            terminal.press("56")
        before = steps_done(run)
        until(lambda: steps_done(run) >= before + 1_500, "1,500 steps more")
        assert terminal.process.poll() is None
        terminal.press("9")
        terminal.until("[9 Runs]")
        assert view(run).alive
    until(lambda: steps_done(run) >= before + 1_600, "the run goes on without its screen")
    live("stop", str(run.path))
    taken = curves(run).step
    assert list(taken) == list(range(1, len(taken) + 1))
