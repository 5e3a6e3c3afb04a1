"""The run directory: where each file stands, and the small records in it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from tunewright.engine.files import write_atomic
from tunewright.engine.homes import index_home
from tunewright.engine.run.process import ProcessMark
from tunewright.hardware.errors import Problem

T = TypeVar("T")


class LaunchOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may differ between attempts of one session. `python` runs the workers."""

    max_steps: int | None = None
    timeout_seconds: float | None = None
    python: str | None = None
    threads: dict[str, int] = {}


class Attempt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One start of the run. `because` says why it was started."""

    number: int
    started: float
    because: str
    options: LaunchOptions
    supervisor: ProcessMark
    workers: tuple[ProcessMark, ...] = ()


class RunRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """run.json: written by the supervisor alone."""

    id: str
    name: str
    created: float
    attempts: tuple[Attempt, ...] = ()


class ExitRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """exit.json: how the last attempt ended. `exit` is the process exit code of the contract."""

    state: Literal["done", "failed", "stopped", "crashed"]
    exit: int
    attempt: int
    time: float
    what: str
    why: str = ""
    cure: str = ""


class Heartbeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """heartbeat.json: what another host goes by, since it cannot see the lock."""

    host: str
    boot_id: str | None
    time: float


class RunDir:
    """Names and small records of one run directory. Holds no state but the path."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.session = self.path / "session.json"
        self.record = self.path / "run.json"
        self.exit = self.path / "exit.json"
        self.heartbeat = self.path / "heartbeat.json"
        self.lock = self.path / "lock"
        self.log = self.path / "engine.log"
        self.events = self.path / "events"
        self.control = self.path / "control"
        self.orders = self.path / "orders"
        self.results = self.path / "results"
        self.checkpoints = self.path / "checkpoints"

    def read_record(self) -> RunRecord:
        """run.json; a `Problem` when the directory is no run or the file is damaged."""
        return _read(self.record, RunRecord, f"{self.path} is not a run directory")

    def read_exit(self) -> ExitRecord | None:
        """exit.json, or None while there is none."""
        return _read(self.exit, ExitRecord, "") if self.exit.is_file() else None

    def read_heartbeat(self) -> Heartbeat | None:
        """heartbeat.json, or None while there is none."""
        return _read(self.heartbeat, Heartbeat, "") if self.heartbeat.is_file() else None


def _read(path: Path, kind: type[T], missing: str) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise Problem(
            missing or f"cannot read {path}",
            why=f"{path.name}: {error.strerror}",
            cure="list the runs that are known: tunewright runs",
        ) from error
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Problem(
            f"{path} is damaged",
            why=str(error),
            cure="the file is written whole or not at all, so something else changed it; "
            "restore it, or start a new run from session.json with tunewright --replay",
        ) from error


def new_run_id(name: str) -> str:
    """`<name>-<date>-<time>-<4 hex>`: sorts by name and time, unique without a registry."""
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in name.lower()).strip("-")[:40]
    return f"{safe or 'run'}-{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(2).hex()}"


def create(path: Path, session: bytes, record: RunRecord) -> RunDir:
    """Make the directory (0700) with its session and record, and enter it in the index.

    A `Problem` when it exists and holds anything, or cannot be written.
    """
    run = RunDir(path)
    try:
        run.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(run.path.iterdir()):
            raise Problem(
                f"{run.path} is not empty",
                why="a run directory belongs to one run",
                cure=f"name another --run-dir, or go on with the run in it: "
                f"tunewright resume {run.path}",
            )
        # The directory may have existed with wider rights; what is in it is private.
        run.path.chmod(0o700)
        # Only one of two launchers can make this folder: it decides a race for the directory.
        run.control.mkdir(mode=0o700)
        for folder in (run.orders, run.events, run.results):
            folder.mkdir(mode=0o700)
    except FileExistsError as error:
        raise Problem(
            f"{run.path} was just taken by another launch",
            why="two launches named the same run directory",
            cure="name another --run-dir",
        ) from error
    except OSError as error:
        raise Problem(
            f"cannot make the run directory {run.path}",
            why=str(error.strerror or error),
            cure="name a directory you can write to with --run-dir, or set TUNEWRIGHT_HOME",
        ) from error
    write_atomic(run.session, session)
    write_record(run, record)
    index = index_home()
    index.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(index / record.id, os.fsencode(run.path) + b"\n")
    return run


def write_record(run: RunDir, record: RunRecord) -> None:
    """Write run.json whole."""
    write_atomic(run.record, msgspec.json.format(msgspec.json.encode(record), indent=1))


def write_exit(run: RunDir, record: ExitRecord) -> None:
    """Write exit.json whole."""
    write_atomic(run.exit, msgspec.json.format(msgspec.json.encode(record), indent=1))


def find_run(name: str) -> RunDir:
    """The run that a person means: a path, an id, the unique start of an id, or `last`."""
    path = Path(name).expanduser()
    if (path / "run.json").is_file():
        return RunDir(path)
    runs = known_runs()
    if name == "last" and runs:
        return max(runs, key=lambda run: run.read_record().created)
    matches = [run for run in runs if run.read_record().id.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise Problem(
            f"{name!r} is the start of {len(matches)} runs",
            why=", ".join(sorted(run.read_record().id for run in matches)[:5]),
            cure="give more of the id",
        )
    raise Problem(
        f"no run is called {name!r}",
        why=f"{len(runs)} runs are known here, and none starts with it; nor is it a run directory",
        cure="list them: tunewright runs",
    )


def known_runs() -> list[RunDir]:
    """Runs in the index whose directory still stands, in order of their ids."""
    index = index_home()
    if not index.is_dir():
        return []
    runs = []
    for entry in sorted(index.iterdir()):
        if entry.name.startswith("."):
            continue
        run = RunDir(Path(os.fsdecode(entry.read_bytes().rstrip(b"\n"))))
        if run.record.is_file():
            runs.append(run)
    return runs
