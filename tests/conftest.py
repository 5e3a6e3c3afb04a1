"""Fixtures that several rooms share."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import Live
from tiny import TinyData, build_tiny_data, build_tiny_model

from tunewright.engine.run.rundir import RunDir
from tunewright.engine.run.view import living_processes
from tunewright.hardware.errors import Problem

# A shell that starts the tests in its background has them ignore Ctrl-C, and so would every program
# that they start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _home_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions, runs and their index apart from the person's; the cache, with the demo's model, is
    shared."""
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path_factory.getbasetemp() / name.lower()))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random 2-layer Llama with tokenizer and ChatML. Do not write to it."""
    return build_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> TinyData:
    """train.jsonl (48 rows) and eval.jsonl (12): prompt -> JSON. Do not write to them."""
    return build_tiny_data(tmp_path_factory.mktemp("tiny-data"))


@pytest.fixture
def live(tmp_path: Path, tiny_model: Path, tiny_data: TinyData) -> Iterator[Live]:
    """The program with a home of its own; what it started is ended afterwards."""
    program = Live(tmp_path / "home", tiny_model, tiny_data.train, tiny_data.eval)
    yield program
    end_all(tmp_path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own for runs that this process starts; they are ended afterwards."""
    home = tmp_path / "home"
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(home))
    yield home
    end_all(tmp_path)


def end_all(folder: Path) -> None:
    """Kill what lives of the runs below `folder`."""
    for record in folder.rglob("run.json"):
        with contextlib.suppress(Problem):
            living = living_processes(RunDir(record.parent).read_record())
            # A test may be the supervisor itself.
            for pid in set(living) - {os.getpid()}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
