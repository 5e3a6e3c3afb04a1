"""The session on the bench: what a person has said so far, and what is known about it.

Every answer is saved at once, by a thread, so that closing and opening comes back to the same
place. One thread owns a workbench (the screen's); what other threads found is handed to it with the
`ticket` under which they set out, and findings about what has changed since are dropped. No Textual
here: `--plain` walks the same bench.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tunewright.engine.demo.session import demo_session, on_demo
from tunewright.engine.homes import sessions_home
from tunewright.engine.model import is_hub_id
from tunewright.engine.plan import Plan
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.session import (
    VERSION,
    DataInput,
    Environment,
    Inputs,
    Recorded,
    Session,
    encode_session,
    load_session,
)
from tunewright.hardware.errors import Problem
from tunewright.hardware.prices import own_prices
from tunewright.hardware.snapshot import Snapshot
from tunewright.tui.history import History
from tunewright.tui.looking import DataFound, ModelFound
from tunewright.tui.saver import Saver
from tunewright.tui.steps import STEPS

if TYPE_CHECKING:
    from tunewright.engine.evidence.decision import Decided

# The plan is made anew when the free memory of the device moves by more than this share of it.
FREE_MOVED = 0.02


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a person is in a session; kept beside it, since it is no intent. `run` is the
    directory of the run that was launched from it last, `evidence` that of its evidence run."""

    step: str = "machine"
    confirmed: tuple[str, ...] = ()
    run: str | None = None
    evidence: str | None = None


class Workbench:
    """See the module. What is known is None until it was looked at, and a `Problem` when looking
    failed."""

    def __init__(self, path: Path, session: Session, place: Place, *, keeps: bool = True) -> None:
        self.path = path
        # Whether what changes is written; else the session is only looked at.
        self.keeps = keeps
        self.session = session
        self.place = place
        self.snapshot: Snapshot | None = None
        self.environment: Environment | None = None
        self.model: ModelFound | Problem | None = None
        self.data: DataFound | Problem | None = None
        self.plan: Plan | Problem | None = None
        # While its run works, free memory says nothing about the next one: no plan is made on it.
        self.run_lives = False
        # What the evidence run decided; None until it was read, and when rows or model change.
        self.decided: Decided | None = None
        # The person's own; no cost is shown without them.
        self.prices = own_prices()
        self.ticket = 0
        self.saver = Saver()
        self.history = History()
        self._planned_on: Snapshot | None = None

    # -- opening and saving

    @classmethod
    def open(cls, path: Path | None = None, *, keeps: bool = True) -> Workbench:
        """The session at `path`, the one that was open last, or the demo's. Without `keeps`
        nothing of it is ever written."""
        path = path or _last_session() or sessions_home() / "demo" / "session.json"
        session = load_session(path) if path.is_file() else demo_session()
        bench = cls(path, session, _read_place(path), keeps=keeps)
        bench.decided = _read_decided(bench.evidence())
        bench.save()
        return bench

    def save(self) -> None:
        """Write session.json, the place in it, and that it is the one to open next."""
        self._save_session()
        if self.keeps:
            self.saver.put(_place_file(self.path), msgspec.json.encode(self.place))
            self.saver.put(sessions_home() / "last", f"{self.path}\n".encode())

    def _save_session(self) -> None:
        if self.keeps:
            self.saver.put(self.path, encode_session(self.session), shared=True)

    @property
    def base(self) -> Path:
        """What relative paths of the session start from."""
        return self.path.absolute().parent

    @property
    def inputs(self) -> Inputs:
        return self.session.inputs

    # -- what a person says

    def answer(self, **changes: Any) -> None:
        """Change fields of the inputs; saved at once, and what followed from them is forgotten."""
        changes = {k: v for k, v in changes.items() if getattr(self.inputs, k) != v}
        if not changes:
            return
        if "model" in changes:
            changes["model_fingerprint"] = None
        inputs = msgspec.structs.replace(self.inputs, **changes)
        self.session = Session(version=VERSION, inputs=inputs)
        self.plan = None
        if "model" in changes:
            self.model = self.data = None
        if "data" in changes or "seed" in changes:
            self.data = None
        if {"model", "data", "seed"} & set(changes):
            self._forget_evidence()
        if {"model", "data", "seed"} & set(changes):
            self.ticket += 1
        self.save()
        self.replan()

    def set(self, key: str, value: Any) -> None:
        """Override one setting by its full key; None takes the override back. A `Problem` (and no
        change) when the plan cannot be made with it."""
        before = self.inputs
        overrides = {k: v for k, v in before.overrides.items() if k != key}
        if value is not None:
            overrides[key] = value
        self.answer(overrides=overrides)
        if isinstance(self.plan, Problem):
            problem = self.plan
            self.answer(overrides=before.overrides)
            raise problem
        if key == "loss.on":
            # Which tokens are trained has changed, and the facts count them.
            self.data = None
            self.ticket += 1

    def use_data(self, path: str) -> None:
        """Take another data file (`demo:…`, or a path from the working directory): in a session of
        its own when this one is the demo's."""
        if path.startswith("demo:") or is_hub_id(path, Path.cwd()):
            self.answer(data=DataInput(path=path))
            return
        file = Path(path).expanduser().absolute()
        if on_demo(self.inputs):
            name = file.stem or "data"
            self.path = _free_session(name)
            data = DataInput(path=os.path.relpath(file, self.base))
            # The demo's goal is another one, and what fits it into ten minutes is no advice: of its
            # session only the machine holds for other data.
            self.place = Place("data", tuple(s for s in self.place.confirmed if s == "machine"))
            self.answer(name=name, data=data, answers=None, overrides={}, stages=None)
        else:
            self.answer(data=DataInput(path=os.path.relpath(file, self.base)))

    def go(self, step: str) -> None:
        """Be at a step."""
        if step != self.place.step:
            self.place = msgspec.structs.replace(self.place, step=step)
            self.save()

    def confirm(self, step: str) -> None:
        """The person has accepted what stands in a step."""
        if step not in self.place.confirmed:
            confirmed = (*self.place.confirmed, step)
            self.place = msgspec.structs.replace(self.place, confirmed=confirmed)
            self.save()

    # -- what was found

    def found(self, ticket: int, what: ModelFound | DataFound | Problem, kind: str) -> bool:
        """Take what a thread found as the `kind` ("model" or "data"); False when it is stale."""
        if ticket != self.ticket:
            return False
        setattr(self, kind, what)
        if isinstance(what, DataFound) and what.data != self.inputs.data:
            if self.inputs.data.fingerprint is not None:
                self._forget_evidence()
            inputs = msgspec.structs.replace(self.inputs, data=what.data)
            # What a run gave on other bytes is no expectation for these.
            self.session = Session(version=VERSION, inputs=inputs)
        if isinstance(what, ModelFound) and what.fingerprint != self.inputs.model_fingerprint:
            inputs = msgspec.structs.replace(self.inputs, model_fingerprint=what.fingerprint)
            self.session = Session(version=VERSION, inputs=inputs)
        self.replan()
        return True

    def saw(self, snapshot: Snapshot, environment: Environment | None = None) -> bool:
        """Take a reading of the machine; True when the plan was made anew on it."""
        self.snapshot = snapshot
        self.history.add(snapshot)
        self.environment = environment or self.environment
        if isinstance(self.plan, Plan) and self.run_lives:
            return False
        if self._planned_on is not None and not _moved(self._planned_on, snapshot):
            return False
        self.replan()
        return True

    def runs_in(self, environment: Environment) -> None:
        """Take what a run would find here beside the machine."""
        self.environment = environment
        self.replan()

    def leave_machine(self) -> None:
        """Another machine is planned on from now on: what is known of this one is forgotten."""
        self.snapshot = self.environment = self.plan = self._planned_on = None
        self.history = History()

    def replan(self) -> None:
        """Make the plan from what is known; it stays None while something is missing."""
        recorded = self.recorded()
        if recorded is None:
            return
        # Whoever looked at the rows has imported it in a thread (see `lookout`).
        from tunewright.tui.planning import planned_session

        try:
            self.session = planned_session(self.session, recorded)
        except Problem as problem:
            self.plan = problem
            return
        self.plan, self._planned_on = self.session.plan, self.snapshot
        self._save_session()

    def recorded(self) -> Recorded | None:
        """What the plan is made from, or None while something of it is unknown."""
        if self.snapshot is None or self.environment is None:
            return None
        if not isinstance(self.model, ModelFound) or not isinstance(self.data, DataFound):
            return None
        if isinstance(self.data.facts, Problem):
            return None
        return Recorded(
            snapshot=self.snapshot,
            environment=self.environment,
            data=self.data.facts,
            model=self.model.shape,
        )

    def trouble(self) -> Problem | None:
        """The first thing that keeps a plan from being made, in the order of the path."""
        for known in (self.model, self.data, getattr(self.data, "facts", None), self.plan):
            if isinstance(known, Problem):
                return known
        return None

    # -- its run

    def launched(self, run: RunDir) -> None:
        """A run was started from this session."""
        self.place = msgspec.structs.replace(self.place, run=str(run.path))
        self.save()

    def measuring(self, run: RunDir) -> None:
        """An evidence run was started from this session; what an earlier one said is past."""
        self.decided = None
        self.place = msgspec.structs.replace(self.place, evidence=str(run.path))
        self.save()

    def evidence(self) -> RunDir | None:
        """The evidence run of this session, if it is still there."""
        if self.place.evidence is None or not (Path(self.place.evidence) / "run.json").is_file():
            return None
        return RunDir(Path(self.place.evidence))

    def measured(self, decided: Decided | None) -> None:
        """The evidence run is done: what it decided goes into the rules."""
        self.decided = decided

    def _forget_evidence(self) -> None:
        self.decided = None
        self.place = msgspec.structs.replace(self.place, evidence=None)

    def run(self) -> RunDir | None:
        """The run that was launched last from this session, if it is still there."""
        if self.place.run is None or not (Path(self.place.run) / "run.json").is_file():
            return None
        return RunDir(Path(self.place.run))

    def ran(self, before: Session, after: Session) -> bool:
        """Take the session with what its run gave (`planning.with_result`); False when it has
        changed since it was `before`."""
        if self.session is not before:
            return False
        self.session = after
        self._save_session()
        return True


def _moved(before: Snapshot, now: Snapshot) -> bool:
    """Whether free memory has moved enough for another verdict."""

    def free(snapshot: Snapshot) -> list[int | None]:
        return [gpu.free_bytes for gpu in snapshot.gpus] or [snapshot.host.ram_available_bytes]

    then, current = free(before), free(now)
    if len(then) != len(current):
        return True
    return any(
        (a is None) != (b is None) or abs((a or 0) - (b or 0)) > FREE_MOVED * max(a or 0, b or 0)
        for a, b in zip(then, current, strict=True)
    )


def _place_file(session: Path) -> Path:
    return session.with_name(session.stem + ".place.json")


def _read_place(session: Path) -> Place:
    try:
        place = msgspec.json.decode(_place_file(session).read_bytes(), type=Place)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        # Only where the cursor was: not worth a complaint.
        return Place()
    known = place.step in {step.id for step in STEPS}
    return place if known else msgspec.structs.replace(place, step=Place().step)


def _read_decided(run: RunDir | None) -> Decided | None:
    """What an evidence run decided; None while it goes on, and where it cannot be read: the Goal
    step tells why, and measures again."""
    if run is None:
        return None
    # Few sessions have one, and with it come the rules and all results that a run can have.
    from tunewright.engine.results import read_decision

    try:
        return read_decision(run)
    except Problem:
        return None


def _last_session() -> Path | None:
    try:
        path = Path((sessions_home() / "last").read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return None
    return path if path.is_file() else None


def _free_session(name: str) -> Path:
    """A session file that is not there yet, named after the data."""
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:40] or "session"
    folder = sessions_home() / safe
    if folder.exists():
        folder = sessions_home() / f"{safe}-{time.strftime('%Y%m%d-%H%M%S')}"
    return folder / "session.json"
