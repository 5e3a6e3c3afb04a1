"""The supervisor ends honestly whatever happens to it, and obeys what was meant for its attempt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from fake_worker import DEAF, OBEYS, ending, interpreter, make_run, start, told
from live import until

from tunewright.engine.run import control, supervisor
from tunewright.engine.run.client import ask
from tunewright.engine.run.events import Answered, Failed, Note, State, Warned
from tunewright.engine.run.launch import resume
from tunewright.engine.run.lock import is_locked, take_lock
from tunewright.engine.run.rundir import LaunchOptions
from tunewright.engine.run.supervisor import Order, Supervisor
from tunewright.engine.run.view import living_processes, view
from tunewright.hardware.errors import Problem

pytestmark = pytest.mark.usefixtures("home")


def test_a_stop_reaches_the_worker_and_its_reason_the_record(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    start(run, tmp_path / "worker", OBEYS)
    ask(run, "stop", by="a test")
    ended = ending(run)
    assert (ended.state, ended.exit, ended.why) == ("stopped", 75, "asked to stop by a test")
    with pytest.raises(Problem, match="is not running"):
        ask(run, "stop", by="a test")
    assert not list(run.control.iterdir())


def test_what_an_ended_run_was_sent_does_not_stop_the_next_attempt(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    start(run, tmp_path / "worker", "sys.exit(1)")
    assert ending(run).state == "failed"
    late = control.send(run.control, "stop", by="late")
    control.send(run.orders, "stop")
    start(run, tmp_path / "worker", "time.sleep(1.0)")
    assert ending(run).state == "done"
    (answer,) = told(run, Answered)
    assert isinstance(answer, Answered)
    assert answer.id == late
    assert "had ended" in answer.answer


def test_a_stop_that_is_sent_before_the_lock_of_a_first_attempt_counts(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    control.send(run.control, "stop", by="quick")
    start(run, tmp_path / "worker", OBEYS)
    assert ending(run).why == "asked to stop by quick"


def test_a_folder_in_the_spool_is_named_once_and_harms_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    start(run, tmp_path / "worker", OBEYS)
    (run.control / "x.json").mkdir()
    until(lambda: told(run, Warned), "a warning", 10.0)
    ask(run, "stop", by="a test")
    assert ending(run).state == "stopped"
    assert [e.what for e in told(run, Warned) if isinstance(e, Warned)] == [
        "control/x.json is no command"
    ]


def test_a_worker_that_cannot_be_started_is_told_as_that(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    missing = str(tmp_path / "gone" / "python")
    assert Supervisor(run, Order("a test", LaunchOptions(python=missing))).work() == 1
    ended = ending(run)
    assert ended.state == "failed"
    assert missing in ended.what
    assert "No such file" in ended.why
    assert "tunewright resume fake-1" in ended.cure


def test_a_fault_of_the_supervisor_ends_the_worker_and_is_told_as_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run")
    python = interpreter(tmp_path / "worker", DEAF)
    faulty = Supervisor(run, Order("a test", LaunchOptions(python=python)))

    def broken(*_: object) -> None:
        if (run.events / "1-worker0.jsonl").exists():
            raise ValueError("a fault")

    monkeypatch.setattr(faulty.spool, "take", lambda: broken() or [])
    assert faulty.work() == 1
    ended = ending(run)
    assert (ended.state, ended.what) == ("failed", "the supervisor failed: a fault")
    assert "ValueError" in ended.why
    assert living_processes(run.read_record()) == [os.getpid()]
    assert faulty.worker is not None
    with pytest.raises(ProcessLookupError):
        os.kill(faulty.worker.pid, 0)


def test_a_worker_that_does_not_leave_is_killed_after_the_grace_and_it_is_said_by_whom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STOP_GRACE_SECONDS", 0.5)
    monkeypatch.setattr(supervisor, "TERM_GRACE_SECONDS", 0.5)
    run = make_run(tmp_path / "run")
    control.send(run.control, "stop", by="a test")
    python = interpreter(tmp_path / "worker", DEAF)
    assert Supervisor(run, Order("a test", LaunchOptions(python=python))).work() == 1
    ended = ending(run)
    assert "SIGKILL" in ended.what
    assert "the supervisor sent it" in ended.why


def test_sigterm_while_the_supervisor_waits_for_the_lock_is_a_stop(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    lock = take_lock(run.lock)
    assert lock is not None
    order = Order("a test", LaunchOptions(python=interpreter(tmp_path / "worker", OBEYS)))
    early = subprocess.Popen(
        [
            sys.executable, "-m", "tunewright.engine.run.supervisor", str(run.path),
            msgspec.json.encode(order).decode(),
        ],
    )  # fmt: skip
    until(lambda: _catches(early.pid, signal.SIGTERM), "a handler", 10.0)
    early.terminate()
    os.close(lock)
    assert early.wait(30) == 75
    assert ending(run).why == "the supervisor was told to end"
    assert "stopped: asked to stop" in [e.text for e in told(run, Note) if isinstance(e, Note)]


def _catches(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return bool(caught >> (number - 1) & 1)


def test_sigterm_stops_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    start(run, tmp_path / "worker", OBEYS)
    os.kill(run.read_record().attempts[-1].supervisor.pid, signal.SIGTERM)
    assert ending(run).why == "the supervisor was told to end"


def test_what_the_worker_said_is_not_said_twice(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    body = 'events.write(Failed(what="no rows", why="w", cure="c", exit=2)); sys.exit(2)'
    start(run, tmp_path / "worker", body)
    ended = ending(run)
    assert (ended.what, ended.exit) == ("no rows", 2)
    until(lambda: [e for e in told(run, State) if e.state == "failed"], "the last word", 10.0)
    assert len(told(run, Failed)) == 1


def test_of_two_resumes_at_once_the_second_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    python = interpreter(tmp_path / "worker", OBEYS)
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from tunewright.engine.run.launch import resume\n"
        "from tunewright.engine.run.rundir import LaunchOptions, RunDir\n"
        "from tunewright.hardware.errors import Problem\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        "try:\n"
        "    resume(RunDir(Path(sys.argv[1])), LaunchOptions(python=sys.argv[2]))\n"
        "except Problem as problem:\n"
        "    print(problem.what, problem.cure)\n"
        "else:\n"
        "    print('started')\n"
    )
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(run.path), python],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
    for client in clients:
        assert client.stdin is not None
        client.stdin.write("\n")
        client.stdin.flush()
    said = sorted(client.communicate(timeout=60)[0].strip() for client in clients)
    assert said[1] == "started", said
    assert "attach" in said[0], said
    assert len(run.read_record().attempts) == 1
    ask(run, "stop", by="a test")
    assert ending(run).state == "stopped"


def test_a_lock_that_a_dead_supervisor_left_is_no_obstacle(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    start(run, tmp_path / "worker", OBEYS)
    attempt = run.read_record().attempts[-1]
    for process in (attempt.supervisor, *attempt.workers):
        os.kill(process.pid, signal.SIGKILL)
    until(lambda: not view(run).alive and not living_processes(run.read_record()), "the end", 20.0)
    assert run.lock.exists()
    assert not is_locked(run.lock)
    assert view(run).state == "crashed"
    start(run, tmp_path / "worker", "")
    assert ending(run).state == "done"


def test_a_time_limit_stops_and_is_gone_after_a_resume(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    start(run, tmp_path / "worker", OBEYS, timeout_seconds=0.5)
    assert "time limit of 0.5 s" in ending(run).why
    resume(run)
    time.sleep(1.0)
    assert view(run).alive
    ask(run, "kill", by="a test")
    assert ending(run).why == "asked to be killed by a test"
