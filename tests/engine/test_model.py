"""A model is found by path or in the local hub cache, and is whole, or the reason is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tunewright.engine.model import resolve_data, resolve_model
from tunewright.engine.session import DataInput
from tunewright.hardware.errors import Problem


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def refused(spec: str, base: Path) -> Problem:
    with pytest.raises(Problem) as caught:
        resolve_model(spec, base, base / "cache")
    assert caught.value.exit == 2
    assert caught.value.cure
    return caught.value


def test_a_path_is_taken_relative_to_the_session(model: Path, tmp_path: Path) -> None:
    assert resolve_model("model", tmp_path, tmp_path / "cache").samefile(model)
    assert resolve_model(str(model), Path("/"), tmp_path / "cache").samefile(model)


def test_pickle_weights_are_refused_before_anything_reads_them(model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    problem = refused("model", tmp_path)
    assert "pickle" in problem.what
    assert "safetensors" in problem.cure


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_what_a_folder_lacks_is_named(model: Path, tmp_path: Path, name: str) -> None:
    (model / name).unlink()
    problem = refused("model", tmp_path)
    assert name.removeprefix("model") in f"{problem.what} {problem.why}"


def test_a_download_that_was_cut_off_is_noticed(model: Path, tmp_path: Path) -> None:
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (model / "model.safetensors").rename(model / parts["a"])
    index = model / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": parts}))
    assert parts["b"] in refused("model", tmp_path).why
    index.write_text("[]")
    assert "index" in refused("model", tmp_path).what


def test_a_weight_file_that_points_nowhere_is_no_weight_file(model: Path, tmp_path: Path) -> None:
    # Pruned hub caches are full of links to blobs that are gone.
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").symlink_to(tmp_path / "gone")
    assert "no weights" in refused("model", tmp_path).what


def test_a_hub_id_is_found_in_the_local_cache_only(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert "hf download org/name" in refused("org/name", tmp_path).cure
    hub = tmp_path / "xdg" / "huggingface" / "hub"
    stored = hub / "models--org--name"
    (stored / "refs").mkdir(parents=True)
    (stored / "refs" / "main").write_text("abc123")
    (stored / "snapshots").mkdir()
    model.rename(stored / "snapshots" / "abc123")
    found = stored / "snapshots" / "abc123"
    assert resolve_model("org/name", tmp_path, tmp_path) == found
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "other"))
    refused("org/name", tmp_path)
    hub.rename(tmp_path / "other")
    assert resolve_model("org/name", tmp_path, tmp_path).is_dir()


@pytest.mark.parametrize("spec", ["absent", "demo:unknown", "./a/b", "/nowhere/at/all"])
def test_what_is_no_model_is_refused(tmp_path: Path, spec: str) -> None:
    refused(spec, tmp_path)


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_text("GGUF")
    assert "folder" in refused("m.gguf", tmp_path).what


def test_data_is_a_path_or_the_demo(tmp_path: Path) -> None:
    train, held = resolve_data(DataInput("a.jsonl", eval_path="b.jsonl"), tmp_path, tmp_path)
    assert (train, held) == (tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    train, held = resolve_data(DataInput("demo:orders"), tmp_path, tmp_path / "cache")
    assert held is not None
    assert train.is_file()
    assert held.is_file()
    assert train.is_relative_to(tmp_path / "cache")
    with pytest.raises(Problem):
        resolve_data(DataInput("demo:else"), tmp_path, tmp_path)


def test_a_path_is_told_without_its_way_up_unless_a_link_is_on_it(tmp_path: Path) -> None:
    (tmp_path / "sessions" / "big").mkdir(parents=True)
    (tmp_path / "elsewhere" / "inner").mkdir(parents=True)
    base = tmp_path / "sessions" / "big"
    (base / "link").symlink_to(tmp_path / "elsewhere" / "inner")
    for said, path in (
        ("../../big.jsonl", tmp_path / "big.jsonl"),
        ("../*.jsonl", tmp_path / "sessions" / "*.jsonl"),
        ("link/../big.jsonl", base / "link" / ".." / "big.jsonl"),
    ):
        assert resolve_data(DataInput(path=said), base, tmp_path)[0] == path
