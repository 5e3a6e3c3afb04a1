"""Ctrl-C on a real terminal: once it checkpoints and stops, twice it leaves; an attached run never
notices."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from fake_worker import OBEYS, ending, interpreter, make_run, start
from live import PROGRAM, Live, steps_done, until, until_ended, until_step
from terminal import Terminal

from tunewright.engine.run.client import ask
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.run.view import view
from tunewright.hardware.errors import Exit
from tunewright.tui.follow import follow

CTRL_C = "\x03"
# A checkpoint that takes a while: time for a second Ctrl-C.
SLOW = OBEYS.replace("time.sleep(0.5)", "time.sleep(3)")


@pytest.fixture
def session(live: Live, tmp_path: Path) -> Path:
    path = tmp_path / "session.json"
    live(*live.words("--dry-run", "--save", str(path), steps=20))
    return path


def words(live: Live, session: Path, verb: str, folder: Path, body: str) -> list[str]:
    """A run of `verb` with `body` as its worker."""
    named = live.words(steps=20) if verb == "train" else ["--replay", str(session)]
    python = interpreter(folder.parent / f"{folder.name}-worker", body)
    return [PROGRAM, *named, "--run-dir", str(folder), "--python", python]


@pytest.mark.parametrize("verb", ["train", "--replay"])
def test_once_it_checkpoints_and_stops_and_twice_it_leaves(
    live: Live, session: Path, tmp_path: Path, verb: str
) -> None:
    once = tmp_path / "once"
    with Terminal(words(live, session, verb, once, OBEYS), live.environment, 120) as terminal:
        terminal.until("at work")
        terminal.press(CTRL_C)
        terminal.until("stopping after a checkpoint")
        assert terminal.ended() == Exit.STOPPED
        assert "tunewright resume" in terminal.shown
    assert view(RunDir(once)).state == "stopped"

    twice = tmp_path / "twice"
    with Terminal(words(live, session, verb, twice, SLOW), live.environment, 120) as terminal:
        terminal.until("at work")
        terminal.press(CTRL_C)
        terminal.until("stopping after a checkpoint")
        terminal.press(CTRL_C)
        assert terminal.ended() == Exit.INTERRUPTED
        assert "Traceback" not in terminal.shown
    # Left to itself, it still writes its checkpoint.
    assert view(RunDir(twice)).alive
    assert ending(RunDir(twice)).why == "asked to stop by Ctrl-C"


def test_in_attach_it_leaves_the_run_alone(tmp_path: Path, home: Path) -> None:
    run = make_run(tmp_path / "run")
    start(run, tmp_path / "worker", OBEYS)
    words = [PROGRAM, "attach", "fake-1"]
    with Terminal(words, dict(os.environ), 120) as terminal:
        terminal.until("at work")
        terminal.press(CTRL_C)
        assert terminal.ended() == Exit.INTERRUPTED
        assert "Traceback" not in terminal.shown
    assert view(run).state == "running"
    assert not list(run.control.iterdir())
    ask(run, "stop", by="a test")
    assert ending(run).why == "asked to stop by a test"


def test_at_the_very_end_it_is_not_kept_for_the_next_attempt(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run")
    start(run, tmp_path / "worker", "time.sleep(0.5)")

    with pytest.MonkeyPatch.context() as patch:

        def press(_seconds: float) -> None:
            """Ctrl-C once the run has ended and before the follower has seen it."""
            patch.undo()
            until(lambda: not view(run).alive, "the end", 20.0)
            signal.raise_signal(signal.SIGINT)

        patch.setattr(time, "sleep", press)
        assert follow(run, stop_on_interrupt=True, quiet=True).state == "done"
    # Nor is a person told to resume what is done.
    assert capsys.readouterr().err == ""
    assert not list(run.control.iterdir())


@pytest.mark.slow
def test_a_real_training_stops_with_a_checkpoint_that_resume_goes_on_from(
    live: Live, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    words = [PROGRAM, *live.words("--run-dir", str(folder), steps=100_000)]
    with Terminal(words, live.environment, 120) as terminal:
        until(lambda: (folder / "events" / "1-worker0.jsonl").exists(), "a worker")
        until_step(RunDir(folder), 5)
        terminal.press(CTRL_C)
        assert terminal.ended(120.0) == Exit.STOPPED
    run = RunDir(folder)
    assert until_ended(run) == "stopped"
    assert list(run.checkpoints.glob("checkpoint-*"))
    live("resume", "--detach", str(folder))
    until_step(run, steps_done(run) + 5)
    live("stop", "--kill", str(folder))
    assert until_ended(run) == "stopped"
