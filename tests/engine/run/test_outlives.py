"""A run outlives its terminal, its client, its worker and its supervisor."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from live import PROGRAM, Live, losses, pids, steps_done, until, until_ended, until_step

from tunewright.engine.run import control
from tunewright.engine.run.events import Answered
from tunewright.engine.run.reader import RunEvents
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.run.view import view

STEPS = 60


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: object
) -> dict[int, float]:
    """The losses of a run that nobody disturbs."""
    home = tmp_path_factory.mktemp("whole")
    program = Live(home, tiny_model, tiny_data.train, tiny_data.eval)  # type: ignore[attr-defined]
    run = program.launch(steps=STEPS)
    assert until_ended(run) == "done"
    found = losses(run)
    assert list(found) == list(range(1, STEPS + 1))
    return found


def test_a_killed_worker_is_recorded_and_resume_gives_the_losses_of_a_whole_run(
    live: Live, whole: dict[int, float]
) -> None:
    run = live.launch(steps=STEPS)
    until_step(run, 15)
    _, worker = pids(run)
    os.kill(worker, signal.SIGKILL)
    assert until_ended(run) == "failed"
    ended = view(run).ended
    assert ended is not None
    assert "SIGKILL" in ended.what
    assert ended.why
    assert "resume" in ended.cure
    live("wait", run.read_record().id, code=1)
    live("resume", run.read_record().id)
    assert view(run).state == "done"
    assert losses(run) == whole
    live("resume", run.read_record().id, code=2)


@pytest.mark.slow
def test_a_killed_supervisor_leaves_no_orphan_and_resume_goes_on(
    live: Live, whole: dict[int, float]
) -> None:
    run = live.launch(steps=STEPS)
    until_step(run, 15)
    supervisor, _ = pids(run)
    os.kill(supervisor, signal.SIGKILL)
    assert until_ended(run) == "crashed"
    ended = view(run).ended
    assert ended is not None
    assert ended.why
    assert "resume" in ended.cure
    assert steps_done(run) < STEPS
    live("resume", run.read_record().id)
    assert losses(run) == whole


@pytest.mark.slow
def test_both_killed_is_a_crash_and_resume_goes_on_past_a_torn_checkpoint_and_line(
    live: Live, whole: dict[int, float]
) -> None:
    run = live.launch(steps=STEPS)
    until_step(run, 25)
    for pid in pids(run):
        os.kill(pid, signal.SIGKILL)
    assert until_ended(run) == "crashed"
    assert not run.exit.exists()
    newest = max(run.checkpoints.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
    torn = newest / "adapter_model.safetensors"
    torn.write_bytes(torn.read_bytes()[:100])
    events = run.events / "1-worker0.jsonl"
    events.write_bytes(events.read_bytes() + b'{"kind":"step","st')
    live("resume", run.read_record().id)
    assert losses(run) == whole


@pytest.mark.slow
def test_a_closed_terminal_and_a_killed_client_leave_training_alone(
    live: Live, whole: dict[int, float]
) -> None:
    for how in ("hangup", "kill"):
        folder = live.home / how
        main, side = pty.openpty()
        client = subprocess.Popen(
            [PROGRAM, *live.words("--run-dir", str(folder), steps=STEPS)],
            stdin=side,
            stdout=side,
            stderr=side,
            env=live.environment,
            start_new_session=True,
        )
        os.close(side)
        until(lambda folder=folder: (folder / "events/1-worker0.jsonl").exists(), "a worker")
        run = RunDir(folder)
        until_step(run, 5)
        if how == "kill":
            client.kill()
        os.close(main)
        client.kill()
        client.wait()
        assert until_ended(run) == "done"
        assert losses(run) == whole


@pytest.mark.slow
def test_stop_checkpoints_and_two_clients_at_once_are_harmless(
    live: Live, whole: dict[int, float]
) -> None:
    run = live.launch(steps=STEPS)
    until_step(run, 12)
    asked = [control.send(run.control, "checkpoint", by="one") for _ in range(2)]
    events = RunEvents(run.events)
    answers: set[str] = set()

    def answered() -> bool:
        answers.update(e.id for e in events.read_new() if isinstance(e, Answered))
        return answers >= set(asked)

    until(answered, "an answer to each command")
    clients = [
        subprocess.Popen(
            [PROGRAM, "stop", str(run.path)], env=live.environment, stderr=subprocess.DEVNULL
        )
        for _ in range(2)
    ]
    assert {client.wait() for client in clients} <= {0, 2}
    assert until_ended(run) == "stopped"
    live("wait", str(run.path), code=75)
    live("resume", str(run.path))
    assert losses(run) == whole


@pytest.mark.slow
def test_a_pause_holds_and_a_time_limit_stops(live: Live) -> None:
    run = live.launch(steps=400)
    until_step(run, 5)
    control.send(run.control, "pause")
    until(lambda: view(run).state == "paused", "the pause")
    held = until(lambda: _stands_still(run), "no more steps")
    control.send(run.control, "unpause")
    until_step(run, held + 5)
    live("stop", str(run.path))
    done = live(*live.words("--timeout", "25", steps=100_000), code=75)
    assert "time limit" in done.stderr


def _stands_still(run: RunDir) -> int:
    import time

    before = steps_done(run)
    time.sleep(1.0)
    return before if before == steps_done(run) else 0


def test_a_second_launch_on_the_same_directory_is_refused(live: Live, tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    words = live.words("--detach", "--run-dir", str(folder), steps=10)
    live(*words)
    again = live(*words, code=2)
    assert "not empty" in again.stderr
    live("stop", str(folder), "--kill")
    assert view(RunDir(folder)).state == "stopped"


def test_run_directories_are_private_and_found_by_id(live: Live) -> None:
    run = live.launch(steps=10)
    assert run.path.stat().st_mode & 0o777 == 0o700
    listed = json.loads(live("runs", "--json").stdout)
    assert [entry["id"] for entry in listed] == [run.read_record().id]
    live("stop", "last", "--kill")
    live("runs", "delete", "last", code=2)
    live("runs", "delete", "last", "--yes")
    assert not run.path.exists()
    assert json.loads(live("runs", "--json").stdout) == []
    live("attach", "last", code=2)
    shutil.rmtree(live.home)
