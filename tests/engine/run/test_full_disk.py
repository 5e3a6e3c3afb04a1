"""A full disk ends a run at worst, never its account: what, why and cure are told."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from fake_worker import OBEYS, ending, make_run, start, told
from live import Live, losses, until, until_ended, until_step

from tunewright.engine.run import control
from tunewright.engine.run.client import ask
from tunewright.engine.run.create import create
from tunewright.engine.run.events import EventWriter, Note, Warned
from tunewright.engine.run.explain import explain
from tunewright.engine.run.reader import EventFile
from tunewright.engine.run.records import HEARTBEAT_SECONDS
from tunewright.engine.run.rundir import RunRecord
from tunewright.engine.run.supervisor import TICK_SECONDS
from tunewright.engine.run.view import view
from tunewright.hardware.errors import Exit, Problem


class SmallDisk:
    """A file system of its own that can be filled and relieved."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Take every byte."""
        fd = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for piece in (bytes(4096), b"\0"):
            with contextlib.suppress(OSError):
                while True:
                    os.write(fd, piece)
        os.close(fd)
        assert os.statvfs(self.path).f_bavail == 0

    def relieve(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_line_that_was_cut_short_costs_that_line_alone(disk: SmallDisk) -> None:
    path = disk.path / "1-worker0.jsonl"
    with EventWriter(path) as writer:
        writer.write(Note(text="before"))
        disk.fill()
        # The file's last page has room for a part of this.
        with pytest.raises(OSError, match="No space left"):
            writer.write(Note(text="x" * 6000))
        assert not path.read_bytes().endswith(b"\n")
        with pytest.raises(OSError, match="No space left"):
            writer.write(Note(text="nothing of this"))
        disk.relieve()
        writer.write(Note(text="after"))
    file: EventFile[Note] = EventFile(path)
    assert [event.text for batch in file.read_new() for event in batch] == ["before", "after"]
    assert file.skipped == 1


@pytest.mark.usefixtures("home")
def test_training_goes_on_while_the_supervisor_cannot_write_and_the_end_is_written_after(
    disk: SmallDisk, tmp_path: Path
) -> None:
    run = make_run(disk.path / "run")
    go = tmp_path / "go"
    body = f"while not Path({str(go)!r}).exists(): time.sleep(0.02)"
    start(run, tmp_path / "worker", body)
    disk.fill()
    beat = run.read_heartbeat()
    assert beat is not None
    until(
        lambda: time.time() - beat.time > HEARTBEAT_SECONDS + 1.0, "a heartbeat that is due", 20.0
    )
    # More to tell than the last page of the events has room for.
    for number in range(60):
        (run.control / f"{number:02d}.json").mkdir()
    size = -1
    while size != (size := (run.events / "1-supervisor.jsonl").stat().st_size):
        time.sleep(2 * TICK_SECONDS)
    assert view(run).alive
    assert run.read_heartbeat() == beat
    go.touch()
    # Its own heartbeat makes the room that the record needs.
    ended = ending(run)
    assert (ended.state, ended.exit) == ("done", 0)
    assert "cannot write its records" in run.log.read_text() + str(told(run, Warned))


@pytest.mark.usefixtures("home")
def test_a_worker_that_cannot_say_why_it_died_is_put_down_to_the_disk(
    disk: SmallDisk, tmp_path: Path
) -> None:
    run = make_run(disk.path / "run")
    go = tmp_path / "go"
    body = f"while not Path({str(go)!r}).exists(): time.sleep(0.02)\nsys.exit(1)"
    start(run, tmp_path / "worker", body)
    disk.fill()
    go.touch()
    ended = ending(run)
    assert (ended.state, ended.what) == ("failed", "the disk is full")
    assert ended.cure == "make room, then: tunewright resume fake-1"
    # And so it is.
    disk.relieve()
    start(run, tmp_path / "worker", "")
    assert ending(run).state == "done"


@pytest.mark.usefixtures("home")
def test_a_run_on_a_full_disk_can_still_be_stopped(disk: SmallDisk, tmp_path: Path) -> None:
    run = make_run(disk.path / "run")
    start(run, tmp_path / "worker", OBEYS)
    command = control.Command("1", "stop", "a test")
    ready = disk.path / "command"
    ready.write_bytes(msgspec.json.encode(command))
    disk.fill()
    with pytest.raises(Problem, match="cannot be asked to stop") as refused:
        ask(run, "stop", by="a test")
    assert f"kill {run.read_record().attempts[-1].supervisor.pid}" in refused.value.cure
    # A command that was written in time: its order cannot be, so the worker gets a signal.
    # (It stays linked here, so that taking it makes no room.)
    os.link(ready, run.control / "1.json")
    assert ending(run).why == "asked to stop by a test"


@pytest.mark.usefixtures("home")
def test_a_run_that_cannot_be_made_leaves_nothing_and_says_why(disk: SmallDisk) -> None:
    kept = disk.path / "kept"
    kept.mkdir()
    disk.fill()
    for path in (disk.path / "run", kept):
        with pytest.raises(Problem, match="cannot make the run directory") as refused:
            create(path, b"x" * 10_000, RunRecord(id="a", name="a", created=0.0))
        assert "No space left" in refused.value.why
        assert refused.value.cure.startswith("free some space")
    assert not (disk.path / "run").exists()
    assert list(kept.iterdir()) == []


@pytest.mark.usefixtures("home")
def test_an_attempt_that_cannot_be_recorded_says_that_the_disk_is_full(
    disk: SmallDisk, tmp_path: Path
) -> None:
    run = make_run(disk.path / "run")
    start(run, tmp_path / "worker", "sys.exit(1)")
    assert ending(run).state == "failed"
    disk.fill()
    with pytest.raises(Problem, match="did not start"):
        start(run, tmp_path / "worker", "")
    assert ending(run).what == "the disk is full"
    assert len(run.read_record().attempts) == 1


def test_a_full_disk_is_told_whatever_library_met_it(disk: SmallDisk) -> None:
    torch = RuntimeError(
        "[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0\nframe #0: …"
    )
    resume = "tunewright resume fake-1"
    told = explain(torch, disk.path, resume)
    assert told.what == "the disk is full"
    assert "inline_container" in told.why
    assert told.cure == f"make room, then: {resume}"
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x")
    # As libraries raise that forget the cause.
    later = RuntimeError("cannot save")
    later.__context__ = full
    for error in (
        full,
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        later,
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
    ):
        assert explain(error, Path("/"), resume).what == "the disk is full"
    assert explain(ValueError("a"), disk.path, resume).what == "the stage failed: a"
    assert explain(MemoryError(), disk.path, resume).what == "out of memory"
    problem = Problem("w", why="y", cure="c", exit=Exit.DOES_NOT_FIT)
    assert explain(problem, disk.path, resume).exit == 3


@pytest.mark.slow
def test_training_that_fills_the_disk_says_so_and_resumes_when_there_is_room(
    live: Live, disk: SmallDisk
) -> None:
    run = live.launch("--run-dir", str(disk.path / "run"), steps=150)
    until_step(run, 12)
    disk.fill()
    assert until_ended(run) == "failed"
    ended = run.read_exit()
    assert ended is not None
    assert ended.what == "the disk is full"
    id = run.read_record().id
    assert f"tunewright resume {id}" in ended.cure
    assert "the disk is full" in live("wait", id, code=1).stderr
    disk.relieve()
    live("resume", id)
    assert list(losses(run)) == list(range(1, 151))


@pytest.mark.slow
def test_torch_that_cannot_write_is_explained(disk: SmallDisk) -> None:
    import torch

    disk.fill()
    with pytest.raises(Exception) as met:  # noqa: PT011 - which type it is, is torch's affair
        torch.save(torch.zeros(100_000), disk.path / "weights.pt")
    assert explain(met.value, disk.path, "tunewright resume fake-1").what == "the disk is full"
