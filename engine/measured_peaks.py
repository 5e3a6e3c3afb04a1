"""The measured peaks of this person's runs: one line each, in the state directory."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tunewright.engine.homes import state_home
from tunewright.hardware.memory.calibration import Measured

_MOST_BYTES = 4 << 20


def measured_file() -> Path:
    """peaks.jsonl below the state directory."""
    return state_home() / "peaks.jsonl"


def remember(row: Measured) -> None:
    """Append one run. A line is written at once, so that two runs at a time do not mix."""
    path = measured_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    line = msgspec.json.encode(row) + b"\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def read_measured() -> tuple[Measured, ...]:
    """All runs that can be read; a torn or foreign line is passed over: each stands alone."""
    try:
        with measured_file().open("rb") as file:
            raw = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return ()
    found: list[Measured] = []
    for line in raw.splitlines():
        try:
            found.append(msgspec.json.decode(line, type=Measured))
        except (msgspec.DecodeError, msgspec.ValidationError):
            continue
    return tuple(found)
