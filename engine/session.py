"""session.json: the one source of intent. Versioned, self-contained, refused by path when wrong."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from tunewright.engine.data.example import DataFacts
from tunewright.engine.decide.answers import Answers
from tunewright.engine.evidence.given import EvidenceInput
from tunewright.engine.files import write_atomic
from tunewright.engine.plan import Plan
from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.calibration import Measured
from tunewright.hardware.shapes import ModelShape
from tunewright.hardware.snapshot import Snapshot

VERSION = "1.1"


class DataInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The data: a path relative to the session file, or `demo:orders`. Without `eval_path` a seeded
    share `eval_fraction` is held out. `fixes` are those of `data fix`, made as the rows are read,
    and the file stays as it is. Fingerprints ("sha256:…") are written when planned, and so are
    `revision`, the commit of a data set of the hub, and `date`, where the chat template asks for
    the day: a resume or a replay must render the same."""

    path: str
    format: str = "auto"
    eval_path: str | None = None
    eval_fraction: float = 0.1
    fingerprint: str | None = None
    eval_fingerprint: str | None = None
    date: datetime.date | None = None
    fixes: tuple[str, ...] = ()
    revision: str | None = None


class Inputs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a person said. `overrides` are settings by name, as `--set` takes them; `stages` limits
    the run to some of its stages, in their own order; `answers` are those about the goal;
    `evidence` is what an evidence run measures. `model` may be the URL of a server then.
    `model_fingerprint` is written when planned, so that other weights are no riddle.

    `device` is "auto", "cpu", or devices by label or UUID with commas between; `when_busy` it is
    waited for ("wait") or another one is taken. `correct_memory`: earlier runs correct the memory
    prediction."""

    name: str
    model: str
    data: DataInput
    method: str = "auto"
    seed: int = 42
    overrides: dict[str, Any] = {}
    stages: tuple[str, ...] | None = None
    answers: Answers | None = None
    device: str = "auto"
    when_busy: Literal["another", "wait"] = "another"
    evidence: EvidenceInput | None = None
    model_fingerprint: str | None = None
    correct_memory: bool = True


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What decides whether losses can be equal digit for digit. `threads` by kind of work ("train",
    "decode"); empty until a run has probed them. `device` names the GPU that a run really had with
    its capability and driver; `cpu_model` is told where digits differ without another cause."""

    python: str
    platform: str
    packages: dict[str, str]
    cpu_features: tuple[str, ...]
    threads: dict[str, int] = {}
    device: str | None = None
    cpu_model: str | None = None


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a finished run gave: the loss of each step, evaluations by step, figures by stage."""

    steps: tuple[int, ...]
    losses: tuple[float | None, ...]
    eval_losses: dict[str, float]
    figures: dict[str, dict[str, Any]]


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was seen when the plan was made, and what a finished run gave. `peaks` are measured
    peaks of earlier runs of this model family, which correct the prediction."""

    snapshot: Snapshot
    environment: Environment
    data: DataFacts
    model: ModelShape
    expect: Expectation | None = None
    peaks: tuple[Measured, ...] = ()


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`inputs` is intent, `plan` is what was decided from it, `recorded` is what was seen."""

    version: str
    inputs: Inputs
    plan: Plan | None = None
    recorded: Recorded | None = None


def session_schema() -> dict[str, Any]:
    """The JSON Schema of session.json."""
    return msgspec.json.schema(Session)


def encode_session(session: Session) -> bytes:
    """The bytes of session.json: indented, so that people can read and compare it."""
    return msgspec.json.format(msgspec.json.encode(session, order="deterministic"), indent=1)


def save_session(session: Session, path: Path) -> None:
    """Write session.json whole or not at all."""
    write_atomic(path, encode_session(session))


def load_session(path: Path) -> Session:
    """Read, migrate and check a session file; a `Problem` that names the place when it is wrong."""
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise Problem(
            f"cannot read the session {path}",
            why=str(error.strerror or error),
            cure="name a session.json, e.g. that of a run directory: tunewright runs",
        ) from error
    try:
        raw = msgspec.json.decode(blob)
    except msgspec.DecodeError as error:
        raise Problem(
            f"{path} is not JSON",
            why=str(error),
            cure="restore the file, or write a new one with tunewright train … --dry-run --save",
        ) from error
    try:
        return msgspec.convert(_migrate(raw, path), Session)
    except msgspec.ValidationError as error:
        raise Problem(
            f"{path} is not a session that this version understands",
            why=str(error),
            cure="the schema: tunewright schema",
        ) from error


# By version: takes the raw object of that version to the next one.
_MIGRATIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    # 1.1 added inputs.answers, data.fixes, device, when_busy and evidence; nothing of 1.0 changed.
    "1.0": lambda raw: raw | {"version": "1.1"},
}


_VERSION = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})*")


def _migrate(raw: Any, path: Path) -> Any:
    version = raw.get("version") if isinstance(raw, dict) else None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise Problem(
            f"{path} is no Tunewright session",
            why="it is JSON without a `version` such as " + repr(VERSION),
            cure="the schema: tunewright schema",
        )
    if _numbers(version) > _numbers(VERSION):
        raise Problem(
            f"{path} has version {version}",
            why=f"this Tunewright reads sessions up to version {VERSION}",
            cure="update Tunewright: pip install -U tunewright",
        )
    while raw["version"] != VERSION:
        migrate = _MIGRATIONS.get(raw["version"])
        if migrate is None:
            raise Problem(
                f"{path} has version {raw['version']}",
                why=f"no such version was ever written; this Tunewright writes {VERSION}",
                cure="the schema: tunewright schema",
            )
        raw = migrate(raw)
    return raw


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def rebase(session: Session, old: Path, new: Path) -> Session:
    """The same session with its relative paths starting from folder `new` instead of `old`."""

    def moved(spec: str | None) -> str | None:
        if spec is None or Path(spec).is_absolute():
            return spec
        if not (old / spec).exists() and not any(char in spec for char in "*?["):
            return spec
        return os.path.relpath((old / spec).resolve(), new.resolve())

    data, evidence = session.inputs.data, session.inputs.evidence
    if evidence is not None:
        evidence = msgspec.structs.replace(
            evidence, documents=moved(evidence.documents), embedder=moved(evidence.embedder)
        )
    inputs = msgspec.structs.replace(
        session.inputs,
        evidence=evidence,
        model=moved(session.inputs.model),
        data=msgspec.structs.replace(data, path=moved(data.path), eval_path=moved(data.eval_path)),
    )
    return msgspec.structs.replace(session, inputs=inputs)
