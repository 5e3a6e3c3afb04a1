"""A checkpoint is trusted only when what is on disk is what was written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tunewright.engine.train import checkpoints
from tunewright.engine.train.checkpoints import Checkpoint, Torn


def write(folder: Path, step: int, size: int = 300_000) -> Path:
    path = folder / f"checkpoint-{step}"
    (path / "deep").mkdir(parents=True)
    (path / "model.safetensors").write_bytes(os.urandom(size))
    (path / "deep" / "optimizer.pt").write_bytes(os.urandom(size))
    (path / "trainer_state.json").write_text('{"global_step": 1}')
    return path


def sealed(folder: Path, step: int, size: int = 300_000) -> Path:
    path = write(folder, step, size)
    checkpoints.seal(path, step=step, tokens=step * 100, seconds=step / 2)
    return path


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def zero_tail(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(bytes(4096))


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


def flip_a_bit(path: Path) -> None:
    blob = bytearray(path.read_bytes())
    blob[len(blob) // 2] ^= 1
    path.write_bytes(blob)


def test_a_sealed_checkpoint_reads_back_with_its_step_tokens_and_size(tmp_path: Path) -> None:
    path = sealed(tmp_path, 40)
    found = checkpoints.inspect(path)

    assert isinstance(found, Checkpoint)
    assert (found.step, found.manifest.tokens, found.manifest.seconds) == (40, 4000, 20.0)
    assert found.bytes == 600_000 + len('{"global_step": 1}')
    assert set(found.manifest.files) == {
        "model.safetensors", "deep/optimizer.pt", "trainer_state.json"
    }  # fmt: skip


@pytest.mark.parametrize("tear", [cut, zero_tail, grow, flip_a_bit, Path.unlink])
@pytest.mark.parametrize("name", ["model.safetensors", "deep/optimizer.pt", "tunewright.json"])
def test_a_torn_one_is_passed_over_for_the_newest_good_one_and_named(
    tmp_path: Path, tear: Callable[[Path], None], name: str
) -> None:
    sealed(tmp_path, 5)
    good = sealed(tmp_path, 10)
    bad = sealed(tmp_path, 100)
    if name == "tunewright.json" and tear in (grow, zero_tail):
        (bad / name).write_bytes(bytes(100))
    else:
        tear(bad / name)
    found, torn = checkpoints.newest_good(tmp_path)

    assert found is not None
    assert found.path == good
    assert [one.path for one in torn] == [bad]
    assert name in torn[0].why or "manifest" in torn[0].why


def test_a_folder_whose_writing_was_cut_off_has_no_manifest(tmp_path: Path) -> None:
    write(tmp_path, 20)
    found, torn = checkpoints.newest_good(tmp_path)

    assert found is None
    assert "no manifest" in torn[0].why


def test_steps_are_ordered_as_numbers(tmp_path: Path) -> None:
    for step in (9, 10, 100):
        sealed(tmp_path, step, 10)
    found, torn = checkpoints.newest_good(tmp_path)

    assert found is not None
    assert found.step == 100
    assert torn == ()


def test_a_renamed_checkpoint_is_not_taken_for_another_step(tmp_path: Path) -> None:
    sealed(tmp_path, 10, 10).rename(tmp_path / "checkpoint-11")

    assert checkpoints.newest_good(tmp_path)[0] is None


def test_an_empty_or_missing_folder_has_none(tmp_path: Path) -> None:
    assert checkpoints.newest_good(tmp_path) == (None, ())
    assert checkpoints.newest_good(tmp_path / "none") == (None, ())


def test_pruning_keeps_the_newest_and_the_protected(tmp_path: Path) -> None:
    paths = {step: sealed(tmp_path, step, 10) for step in (5, 10, 20, 30)}
    gone = checkpoints.prune(tmp_path, 2, [paths[5]])

    assert gone == [paths[10]]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoint-20", "checkpoint-30", "checkpoint-5"
    ]  # fmt: skip


def test_torn_ones_are_discarded_so_that_their_names_are_free(tmp_path: Path) -> None:
    path = write(tmp_path, 20, 10)
    checkpoints.discard([Torn(path, "cut off")])

    assert not path.exists()


@pytest.mark.parametrize("at", [0, 100, -1, -(1 << 20)])
def test_a_huge_file_is_sampled_at_both_ends(tmp_path: Path, at: int) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(200 << 20)
    before = checkpoints.fingerprint(path)
    with path.open("r+b") as file:
        file.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
        file.write(b"x")

    assert before.startswith("blake2b-sampled:")
    assert checkpoints.fingerprint(path) != before


def test_a_hole_in_the_middle_of_a_huge_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    path.write_bytes(b"\1" * (80 << 20))
    before = checkpoints.fingerprint(path)
    with path.open("r+b") as file:
        file.seek(30 << 20)
        file.write(bytes(8 << 20))

    assert checkpoints.fingerprint(path) != before
