"""A run starts whole, is "starting" until it does, or leaves nothing and says why."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_worker import interpreter, make_run
from live import Live, until

from tunewright.engine.homes import index_home
from tunewright.engine.run import launch
from tunewright.engine.run.create import create
from tunewright.engine.run.interpreter import check_python, worker_environment
from tunewright.engine.run.launch import resume
from tunewright.engine.run.rundir import RunRecord
from tunewright.engine.run.view import START_SECONDS, view
from tunewright.hardware.errors import Exit, Problem

pytestmark = pytest.mark.usefixtures("home")


def executable(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_an_interpreter_is_looked_at_before_anything_starts(tmp_path: Path) -> None:
    def refused(python: str) -> str:
        with pytest.raises(Problem) as problem:
            check_python(python, ("torch",), worker_environment())
        assert problem.value.exit == Exit.BAD_INPUT
        return str(problem.value)

    assert "there is no such file" in refused("/nonexist/python")
    plain = tmp_path / "plain"
    plain.write_text("")
    assert "cannot be executed" in refused(str(plain))
    assert "cannot be executed" in refused(str(tmp_path))
    assert "Exec format" in refused(executable(tmp_path / "no-program", "\0\0"))
    assert "exit code 3" in refused(executable(tmp_path / "fails", "#!/bin/sh\nexit 3\n"))
    assert "does not run" in refused("/bin/true")
    # -S: an interpreter without its installed packages.
    bare = executable(tmp_path / "bare", f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    said = refused(bare)
    assert "tunewright" in said
    assert "torch" in said
    assert "pip install 'tunewright[train]'" in said


def test_an_interpreter_keeps_its_links_and_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter(tmp_path, "")
    (tmp_path / "link").symlink_to("python")
    monkeypatch.chdir(tmp_path)
    assert check_python("./link", ("torch",), worker_environment()) == str(tmp_path / "link")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert check_python("link", ("torch",), worker_environment()) == str(tmp_path / "link")


def test_train_with_no_such_python_is_bad_input_and_makes_no_run(live: Live) -> None:
    done = live(*live.words("--python", "/nonexist/python", steps=5), code=2)
    assert "/nonexist/python is no interpreter" in done.stderr
    assert live("runs", "--json").stdout.strip() == "[]"


def test_a_new_run_is_starting_until_its_supervisor_is_overdue(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", created=time.time())
    now = view(run)
    assert (now.state, now.alive, now.ended) == ("starting", True, None)
    overdue = make_run(tmp_path / "old", "fake-2", created=time.time() - START_SECONDS - 1)
    assert view(overdue).state == "crashed"


def test_a_supervisor_that_does_not_come_up_is_ended_and_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run")
    # Takes no notice of SIGTERM, and of nothing else.
    python = executable(
        tmp_path / "stuck", "#!/bin/sh\ntrap '' TERM\necho $$ > \"$0.pid\"\nexec sleep 1000\n"
    )
    monkeypatch.setattr(launch.sys, "executable", python)
    monkeypatch.setattr(launch, "START_SECONDS", 1.0)
    monkeypatch.setattr(launch, "END_SECONDS", 0.2)
    with pytest.raises(Problem, match="did not start"):
        resume(run)
    pid = int((tmp_path / "stuck.pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    ended = run.read_exit()
    assert ended is not None
    assert (ended.state, ended.what) == ("failed", "the run did not start")


def test_a_supervisor_that_dies_at_once_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run")
    run.log.write_text("words of an earlier attempt\n")
    python = executable(tmp_path / "dies", "#!/bin/sh\necho no luck >&2\nexit 1\n")
    monkeypatch.setattr(launch.sys, "executable", python)
    with pytest.raises(Problem) as problem:
        resume(run)
    assert (problem.value.why, problem.value.exit) == ("no luck", Exit.FAILED)


def test_ctrl_c_while_a_run_starts_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run")
    python = executable(tmp_path / "slow", '#!/bin/sh\necho $$ > "$0.pid"\nexec sleep 1000\n')
    monkeypatch.setattr(launch.sys, "executable", python)
    pid_file = tmp_path / "slow.pid"

    def interrupt() -> None:
        until(lambda: pid_file.exists() and pid_file.read_text(), "the supervisor", 20.0)
        signal.raise_signal(signal.SIGINT)

    other = threading.Thread(target=interrupt)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        resume(run)
    other.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_a_run_that_the_index_cannot_take_is_not_made(tmp_path: Path) -> None:
    index_home().parent.mkdir(parents=True)
    index_home().write_text("a file where the folder should be")
    kept = tmp_path / "kept"
    kept.mkdir()
    for path in (tmp_path / "run", kept):
        with pytest.raises(Problem, match="list of runs") as refused:
            create(path, b"{}", RunRecord(id="a", name="a", created=0.0))
        assert "TUNEWRIGHT_HOME" in refused.value.cure
    assert not (tmp_path / "run").exists()
    assert list(kept.iterdir()) == []
