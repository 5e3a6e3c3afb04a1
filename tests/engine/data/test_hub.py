"""A hub id is the cached snapshot where there is one, and one clear problem where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_checks import clean, write

from tunewright.engine.data.hub import commit_of
from tunewright.engine.data.read import read_examples
from tunewright.engine.model import resolve_data
from tunewright.engine.session import DataInput
from tunewright.hardware.errors import Problem


def test_a_cached_data_set_is_read_by_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tmp_path / "hub/datasets--acme--talks"
    (stored / "refs").mkdir(parents=True)
    (stored / "refs/main").write_text("c0ffee")
    folder = stored / "snapshots/c0ffee"
    folder.mkdir(parents=True)
    write(folder / "train.jsonl", clean(5))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    path, _ = resolve_data(DataInput(path="acme/talks"), tmp_path, tmp_path)
    assert len(read_examples(path).examples) == 5


def test_offline_an_unknown_id_is_one_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Problem, match="acme/nothing"):
        resolve_data(DataInput(path="acme/nothing"), tmp_path, tmp_path)
    # A path whose folder exists is a path, however it is spelt.
    (tmp_path / "acme").mkdir()
    assert resolve_data(DataInput(path="acme/nothing"), tmp_path, tmp_path)[0].name == "nothing"


def test_a_recorded_commit_is_taken_whatever_is_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tmp_path / "hub/datasets--acme--talks"
    (stored / "refs").mkdir(parents=True)
    (stored / "refs/main").write_text("c0ffee")
    for commit, rows in (("c0ffee", 5), ("facade", 3)):
        (stored / "snapshots" / commit).mkdir(parents=True)
        write(stored / "snapshots" / commit / "train.jsonl", clean(rows))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for data, rows in (
        (DataInput(path="acme/talks"), 5),
        (DataInput(path="acme/talks", revision="facade"), 3),
        (DataInput(path="acme/talks@facade"), 3),
    ):
        path, _ = resolve_data(data, tmp_path, tmp_path)
        assert len(read_examples(path).examples) == rows
        assert commit_of(path) == ("c0ffee" if rows == 5 else "facade")
