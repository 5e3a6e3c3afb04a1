"""A model folder is known again: other weights of the same shape are another model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tunewright.engine.model_fingerprint import check_model_unchanged, model_fingerprint
from tunewright.hardware.errors import Exit, Problem


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Path) -> Path:
    return shutil.copytree(tiny_model, tmp_path / "model")


def test_a_copy_is_the_same_model(folder: Path, tiny_model: Path) -> None:
    assert model_fingerprint(folder) == model_fingerprint(tiny_model)
    check_model_unchanged(folder, model_fingerprint(tiny_model))
    check_model_unchanged(folder, None)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "chat_template.jinja"])
def test_a_change_is_refused_with_its_cure(folder: Path, name: str) -> None:
    planned = model_fingerprint(folder)
    path = folder / name
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(bytes(blob))
    with pytest.raises(Problem) as caught:
        check_model_unchanged(folder, planned)
    assert caught.value.exit == Exit.REPLAY_DIFFERS
    assert "model_fingerprint" in caught.value.cure


def test_large_weights_are_sampled_to_their_end(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes() + bytes(20 << 20))
    planned = model_fingerprint(folder)
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\1")
    assert model_fingerprint(folder) != planned
