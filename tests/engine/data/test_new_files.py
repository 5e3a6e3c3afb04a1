"""Files of rows are written whole or not at all, and for no more eyes than their source."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_checks import clean, write

from tunewright.engine.data.divided import write_split
from tunewright.engine.data.fixed_file import write_fixed
from tunewright.engine.data.new_files import new_files

_WRITER = """
import sys, time
from pathlib import Path
from tunewright.engine.data.new_files import new_files
folder = Path(sys.argv[1])
with new_files([folder / "out.jsonl"], []) as (file,):
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    time.sleep(600)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def rights(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
def test_nobody_reads_what_was_written_who_could_not_read_the_source(
    tmp_path: Path, mode: int
) -> None:
    source = write(tmp_path / "d.jsonl", clean(120))
    source.chmod(mode)
    before = os.umask(0o022)
    try:
        write_fixed(source, ["trim"], tmp_path / "out.jsonl")
        write_split(source, tmp_path / "two", 0.2, 1)
    finally:
        os.umask(before)
    written = ("out.jsonl", "out.jsonl.manifest.json", "two/train.jsonl", "two/eval.jsonl")
    for name in written:
        assert rights(tmp_path / name) == mode | 0o200 & ~0o022
    assert rights(tmp_path / "two/split.json") == 0o600


def test_the_strictest_of_several_sources_counts(tmp_path: Path) -> None:
    sources = [write(tmp_path / name, clean(1)) for name in ("a.jsonl", "b.jsonl")]
    for source, mode in zip(sources, (0o644, 0o600), strict=True):
        source.chmod(mode)
    with new_files([tmp_path / "out"], sources) as (file,):
        file.write(b"x")
    assert rights(tmp_path / "out") == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_is_told_to_end_leaves_nothing_and_a_killed_one_not_for_long(
    tmp_path: Path, number: int
) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        assert names(tmp_path) == [f".out.jsonl.{process.pid}.tmp"]
        mine = tmp_path / f".out.jsonl.{os.getpid()}x.tmp"
        process.send_signal(number)
        process.wait()
    told = number == signal.SIGTERM
    assert process.returncode == (128 + number if told else -number)
    assert len(names(tmp_path)) == (0 if told else 1)
    mine.touch()
    with new_files([tmp_path / "out.jsonl"], []) as (file,):
        file.write(b"whole")
    assert names(tmp_path) == [mine.name, "out.jsonl"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_another_process_is_writing_stays(tmp_path: Path) -> None:
    other = tmp_path / f".out.jsonl.{os.getppid()}.tmp"
    other.touch()

    def write_half() -> None:
        with new_files([tmp_path / "out.jsonl"], []) as (file,):
            file.write(b"half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_half()
    assert names(tmp_path) == [other.name]
