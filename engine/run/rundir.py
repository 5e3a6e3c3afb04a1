"""The run directory: where each file stands, and the small records in it."""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import msgspec

from tunewright.engine.files import write_atomic
from tunewright.engine.homes import index_home
from tunewright.engine.run.lock import is_locked
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


def write_record(run: RunDir, record: RunRecord) -> None:
    """Write run.json whole."""
    write_atomic(run.record, msgspec.json.format(msgspec.json.encode(record), indent=1))


def write_exit(run: RunDir, record: ExitRecord) -> None:
    """Write exit.json whole."""
    write_atomic(run.exit, msgspec.json.format(msgspec.json.encode(record), indent=1))


class Known(NamedTuple):
    """An entry of the index: the run's id, which is the entry's name, and its directory."""

    id: str
    run: RunDir

    @property
    def readable(self) -> bool:
        try:
            self.run.read_record()
        except Problem:
            return False
        return True


def find_run(name: str) -> RunDir:
    """The run that a person means: a path, an id, the unique start of an id, or `last`.

    A damaged run is found by its path and its whole id alone, and never stands in another's way.
    """
    path = Path(name).expanduser()
    if _is_run(path):
        return RunDir(path)
    known = indexed_runs()
    if name == "last":
        created = {}
        for one in known:
            with contextlib.suppress(Problem):
                created[one.run.read_record().created] = one.run
        if created:
            return created[max(created)]
    matches = [one for one in known if one.id == name] or [
        one for one in known if one.id.startswith(name) and one.readable
    ]
    if len(matches) == 1:
        return matches[0].run
    if matches:
        raise Problem(
            f"{name!r} is the start of {len(matches)} runs",
            why=", ".join(one.id for one in matches[:5]),
            cure="give more of the id",
        )
    raise Problem(
        f"no run is called {name!r}",
        why=f"{len(known)} runs are known here, and none starts with it; nor is it a run directory",
        cure="list them: tunewright runs",
    )


def indexed_runs() -> list[Known]:
    """Entries of the index whose directory still stands, in order of their ids."""
    index = index_home()
    try:
        names = sorted(entry.name for entry in index.iterdir() if entry.name[0] != ".")
    except OSError:
        return []
    found = []
    for name in names:
        path = _directory(index / name)
        if path is not None and _is_run(path):
            found.append(Known(name, RunDir(path)))
    return found


def known_runs() -> list[RunDir]:
    """The directories of `indexed_runs`."""
    return [known.run for known in indexed_runs()]


def living_runs() -> list[RunDir]:
    """Runs in the index whose supervisor lives on this host, in order of their ids."""
    return [run for run in known_runs() if is_locked(run.lock)]


def _is_run(path: Path) -> bool:
    try:
        return (path / "run.json").is_file()
    except OSError:
        # No name of a file, or one on a disk that cannot be looked at.
        return False


def _directory(entry: Path) -> Path | None:
    """What an index entry names; None when it was removed meanwhile or names nothing."""
    try:
        path = Path(os.fsdecode(entry.read_bytes().rstrip(b"\n")))
    except OSError:
        return None
    return path if path.is_absolute() else None


def index_entry(run: RunDir, id: str) -> Path | None:
    """The file of the index that leads to `run`; None when the one of its id leads elsewhere.

    A copied directory has the id of the run that it was copied from.
    """
    entry = index_home() / id
    path = _directory(entry)
    return entry if path is not None and path.resolve() == run.path.resolve() else None


def spoken(run: RunDir, id: str) -> str:
    """What to call a run on a command line: its id, or its path when the index leads elsewhere."""
    return id if index_entry(run, id) is not None else shlex.quote(str(run.path))
