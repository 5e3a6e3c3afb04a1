"""Tokens lie on disk while they are trained on: those of the rows, mapped, then gone."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tiny import TinyData
from train_jobs import Run

from tunewright.engine.data.prepared import load_split
from tunewright.engine.data.tokens import Renderer
from tunewright.engine.run.explain import disk_full
from tunewright.engine.run.job import Job, NoOrders, Stopped
from tunewright.engine.train import token_files as files


@pytest.fixture
def job(tmp_path: Path, tiny_model: Path, tiny_data: TinyData) -> Job:
    return Run(tmp_path / "run", tiny_model, tiny_data, "lora").job(lambda _: None)


def made(job: Job) -> dict[str, Any]:
    train, held = load_split(job)
    renderer = Renderer.open(job.model_dir)
    return files.token_sets(job, renderer, {"train": train, "eval": held}, "completion")


def left(job: Job) -> Iterator[Path]:
    return job.run_dir.glob("tokens/*")


def test_what_is_read_from_disk_are_the_tokens_of_the_rows(job: Job) -> None:
    renderer = Renderer.open(job.model_dir)
    with files.token_files(job):
        sets = made(job)
        for side, rows in zip(("train", "eval"), load_split(job), strict=True):
            tokens = [(row["input_ids"], row["labels"]) for row in sets[side]]
            assert tokens == [tuple(row) for row in renderer.tokenize_all(rows, "completion")]
            # A map of a file, not a copy in memory.
            assert sets[side].cache_files
        assert sorted(path.name for path in left(job)) == ["eval.arrow", "train.arrow"]
    assert list(left(job)) == []


def test_a_training_leaves_none_and_begins_without_those_of_a_killed_one(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = Run(tmp_path / "run", tiny_model, tiny_data, "lora")
    torn = run.job(lambda _: None).run_dir / "tokens"
    torn.mkdir(parents=True)
    (torn / "train.arrow").write_bytes(b"half a file")
    run.train()
    assert not torn.exists()


def test_who_asks_to_stop_need_not_wait_for_the_last_row(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(NoOrders):
        def stop_requested(self) -> str | None:
            return "asked"

    monkeypatch.setattr(files, "_BATCH", 10)
    with pytest.raises(Stopped), files.token_files(job):
        made(msgspec.structs.replace(job, orders=Stop()))
    assert list(left(job)) == []


def test_a_full_disk_is_told_as_one_and_nothing_is_left(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, rows: object) -> None:
        path.write_bytes(b"some")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_write", full)
    with pytest.raises(OSError, match="No space left") as caught, files.token_files(job):
        made(job)
    assert disk_full(caught.value, job.run_dir) is not None
    assert list(left(job)) == []
