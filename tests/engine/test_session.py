"""session.json is refused by path when it is wrong, and survives a round trip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine import session as sessions
from tunewright.engine.session import (
    VERSION,
    DataInput,
    Inputs,
    Session,
    load_session,
    rebase,
    save_session,
    session_schema,
)
from tunewright.hardware.errors import Exit, Problem

INPUTS = {"name": "x", "model": "m", "data": {"path": "d.jsonl"}}


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def refused(path: Path) -> Problem:
    with pytest.raises(Problem) as caught:
        load_session(path)
    assert caught.value.exit == Exit.BAD_INPUT
    assert caught.value.cure
    return caught.value


def test_a_session_survives_a_round_trip(tmp_path: Path) -> None:
    session = Session(
        version=VERSION,
        inputs=Inputs(name="x", model="m", data=DataInput(path="d"), overrides={"lora.r": 8}),
    )
    save_session(session, tmp_path / "session.json")
    assert load_session(tmp_path / "session.json") == session
    assert (tmp_path / "session.json").stat().st_mode & 0o777 == 0o600


def test_an_unknown_key_is_named_by_its_path(tmp_path: Path) -> None:
    wrong = {"version": VERSION, "inputs": {**INPUTS, "data": {"path": "d", "pathh": "e"}}}
    problem = refused(write(tmp_path / "s.json", wrong))
    assert "$.inputs.data" in problem.why
    assert "pathh" in problem.why


def test_a_wrong_type_is_named_by_its_path(tmp_path: Path) -> None:
    wrong = {"version": VERSION, "inputs": {**INPUTS, "seed": "seven"}}
    assert "$.inputs.seed" in refused(write(tmp_path / "s.json", wrong)).why


@pytest.mark.parametrize("version", ["2.0", "1.3", "10.0"])
def test_a_newer_version_is_refused(tmp_path: Path, version: str) -> None:
    problem = refused(write(tmp_path / "s.json", {"version": version, "inputs": INPUTS}))
    assert version in problem.what


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1}', '"x"', '{"version":"a"}'])
def test_what_is_no_session_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.json").write_text(text)
    refused(tmp_path / "s.json")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "absent.json")


def test_an_older_version_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {"version": "0.9", "inputs": {**INPUTS, "random_seed": 3}}

    def migrate(raw: dict[str, Any]) -> dict[str, Any]:
        raw["inputs"]["seed"] = raw["inputs"].pop("random_seed")
        return {**raw, "version": "1.0"}

    path = write(tmp_path / "s.json", old)
    assert "0.9" in refused(path).what
    monkeypatch.setitem(sessions._MIGRATIONS, "0.9", migrate)
    assert load_session(path).inputs.seed == 3


def test_a_session_of_version_1_0_means_what_it_meant(tmp_path: Path) -> None:
    old = load_session(write(tmp_path / "old.json", {"version": "1.0", "inputs": INPUTS}))
    new = load_session(write(tmp_path / "new.json", {"version": VERSION, "inputs": INPUTS}))
    assert old == new
    assert old.inputs.answers is None


def test_relative_paths_follow_the_file_and_other_words_stay(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "d.jsonl").touch()
    inputs = Inputs(name="x", model="org/name", data=DataInput(path="d.jsonl"))
    moved = rebase(Session(VERSION, inputs), tmp_path / "a", tmp_path / "b" / "c")
    assert moved.inputs.data.path == "../../a/d.jsonl"
    assert moved.inputs.model == "org/name"


def test_the_schema_names_the_three_sections() -> None:
    text = json.dumps(session_schema())
    assert all(f'"{name}"' in text for name in ("inputs", "plan", "recorded"))
