"""Models on this machine are found without reading a weight; broken ones say what is wrong."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tunewright.engine.homes import index_home
from tunewright.engine.model import DEMO_MODEL
from tunewright.engine.models import (
    MOST_FOLDERS,
    Candidate,
    describe,
    find_models,
    has_template,
    licence_of,
    model_folders,
    typed_model,
)
from tunewright.engine.run.create import create
from tunewright.engine.run.rundir import ExitRecord, RunDir, RunRecord, write_exit


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "tw"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def put(tiny_model: Path, folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copytree(tiny_model, folder))


def found(spec: str, tmp_path: Path, here: Path | None = None) -> dict[str, Candidate]:
    models = find_models(spec, tmp_path, here or tmp_path / "nowhere", tmp_path / "cache")
    return {candidate.name: candidate for candidate in models}


def test_a_folder_is_described_by_its_headers(tiny_model: Path, tmp_path: Path) -> None:
    folder = put(tiny_model, tmp_path / "work" / "tiny")
    candidate = found(DEMO_MODEL, tmp_path, tmp_path / "work")["tiny"]
    assert candidate.where == "folder"
    assert (tmp_path / candidate.spec).samefile(folder)
    assert candidate.shape is not None
    assert candidate.shape.num_hidden_layers == 2
    assert candidate.has_template is True
    assert candidate.problem is None
    assert candidate.bytes == sum(p.stat().st_size for p in folder.iterdir())


def test_the_demo_model_is_offered_though_it_is_not_here(tmp_path: Path) -> None:
    candidate = found(DEMO_MODEL, tmp_path)["smollm2-135m-instruct"]
    assert (candidate.folder, candidate.shape, candidate.problem) == (None, None, None)
    assert candidate.spec == DEMO_MODEL


def test_each_model_is_listed_once_and_the_sessions_first(tiny_model: Path, tmp_path: Path) -> None:
    put(tiny_model, tmp_path / "work" / "tiny")
    (tmp_path / "work" / "link").symlink_to(tmp_path / "work" / "tiny")
    models = find_models("work/tiny", tmp_path, tmp_path / "work", tmp_path / "cache")
    assert [c.where for c in models] == ["session", "demo"]
    assert models[0].spec == "work/tiny"


def test_a_session_model_that_is_gone_stays_in_the_list(tmp_path: Path) -> None:
    candidate = found("models/gone", tmp_path)["gone"]
    assert candidate.problem is not None
    assert candidate.problem.cure


def test_broken_ones_are_listed_with_what_is_wrong(tiny_model: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (put(tiny_model, work / "pickled") / "model.safetensors").rename(
        work / "pickled" / "pytorch_model.bin"
    )
    cut = put(tiny_model, work / "cut") / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:2000])
    (put(tiny_model, work / "garbled") / "config.json").write_text("{")
    models = found(DEMO_MODEL, tmp_path, work)
    for name, word in (("pickled", "pickle"), ("cut", "cut off"), ("garbled", "config.json")):
        problem = models[name].problem
        assert problem is not None, name
        assert word in f"{problem.what} {problem.why}"
        assert models[name].shape is None


def test_pickles_beside_safetensors_are_named(tiny_model: Path, tmp_path: Path) -> None:
    folder = put(tiny_model, tmp_path / "both")
    (folder / "pytorch_model.bin").write_bytes(b"x")
    candidate = describe(folder, tmp_path)
    assert candidate.pickles == ("pytorch_model.bin",)
    assert candidate.shape is not None


def test_a_folder_that_may_not_be_read_does_not_end_the_search(
    tiny_model: Path, tmp_path: Path
) -> None:
    put(tiny_model, tmp_path / "work" / "tiny")
    # A loop of links is what not even root can read.
    (tmp_path / "work" / "loop").symlink_to(tmp_path / "work" / "loop")
    assert "tiny" in found(DEMO_MODEL, tmp_path, tmp_path / "work")


def test_the_search_is_two_deep_leaves_hidden_folders_out_and_ends(tmp_path: Path) -> None:
    def model(*parts: str) -> Path:
        folder = tmp_path.joinpath("work", *parts)
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"")
        return folder

    near, deep = model("near"), model("org", "name")
    model("a", "b", "too-deep")
    model(".hidden")
    model("node_modules", "x")
    (tmp_path / "work" / "settings").mkdir()
    (tmp_path / "work" / "settings" / "config.json").write_text("{}")
    assert model_folders(tmp_path / "work") == [near, deep]
    for number in range(MOST_FOLDERS + 5):
        (tmp_path / "many" / f"{number:05}").mkdir(parents=True)
    assert model_folders(tmp_path / "many") == []


def test_home_models_and_the_hub_cache_are_looked_through(
    tiny_model: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tiny_model, home / "models" / "org" / "homely")
    hub = tmp_path / "xdg" / "huggingface" / "hub"
    put(tiny_model, hub / "models--acme--rocket--v2" / "snapshots" / "abc")
    (hub / "models--acme--rocket--v2" / "refs").mkdir()
    (hub / "models--acme--rocket--v2" / "refs" / "main").write_text("abc")
    (hub / "models--acme--never-came").mkdir()
    (hub / "datasets--acme--rows").mkdir()
    models = found(DEMO_MODEL, tmp_path)
    assert "homely" in models
    assert models["acme/rocket--v2"].spec == "acme/rocket--v2"
    assert models["acme/rocket--v2"].shape is not None
    assert models["acme/never-came"].problem is not None
    assert not any("rows" in name for name in models)
    for variable, folder in (("HF_HOME", hub.parent), ("HF_HUB_CACHE", hub)):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
        monkeypatch.setenv(variable, str(folder))
        assert "acme/rocket--v2" in found(DEMO_MODEL, tmp_path)
        monkeypatch.delenv(variable)
    assert "acme/rocket--v2" not in found(DEMO_MODEL, tmp_path)


def ended(tmp_path: Path, name: str, state: str) -> RunDir:
    record = RunRecord(name, name, 0.0)
    run = create(tmp_path / "tw" / "runs" / name, b"{}", record)
    write_exit(run, ExitRecord(state, 0, 1, 0.0, "ended"))  # type: ignore[arg-type]
    return run


def test_results_of_finished_runs_are_offered_and_of_no_others(
    tiny_model: Path, tmp_path: Path
) -> None:
    put(tiny_model, ended(tmp_path, "good", "done").path / "merged")
    put(tiny_model, ended(tmp_path, "bad", "failed").path / "merged")
    damaged = ended(tmp_path, "damaged", "done")
    put(tiny_model, damaged.path / "merged")
    damaged.exit.write_text("{")
    assert sorted(p.name for p in index_home().iterdir()) == ["bad", "damaged", "good"]
    models = found(DEMO_MODEL, tmp_path)
    assert models["good/merged"].where == "run"
    assert "bad/merged" not in models
    assert "damaged/merged" not in models


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\ntags: [x]\n---\n# hi", "apache-2.0"),
        ("---\nlicense: 'llama3.1'\n---\n", "llama3.1"),
        ("---\nlicense:\n- mit\n- x\n---\n", "mit"),
        ("---\nlicense: other\nlicense_name: acme-1\n---\n", "acme-1"),
        ("---\ntags: [x]\n---\nlicense: not-this\n", None),
        ("license: not-this either\n", None),
        ("---\nlicense: \x1b[31mred\n", "\x1b[31mred"),
    ],
)
def test_the_licence_is_what_the_card_says(tmp_path: Path, card: str, licence: str | None) -> None:
    (tmp_path / "README.md").write_text(card)
    assert licence_of(tmp_path) == licence


def test_without_a_card_the_licence_text_is_recognised(tmp_path: Path) -> None:
    assert licence_of(tmp_path) is None
    (tmp_path / "LICENSE").write_text("\n\n      Apache License\n   Version 2.0, January 2004\n")
    assert licence_of(tmp_path) == "apache-2.0"
    (tmp_path / "LICENSE").write_text("ACME COMMUNITY LICENSE AGREEMENT\nall rights")
    assert (licence_of(tmp_path) or "").startswith("ACME COMMUNITY")


def test_a_template_is_found_in_both_places_and_garbage_is_none(tmp_path: Path) -> None:
    assert not has_template(tmp_path)
    config = tmp_path / "tokenizer_config.json"
    config.write_text(json.dumps({"chat_template": "{{ x }}"}))
    assert has_template(tmp_path)
    for garbage in ("[" * 100_000, "null", "{", '{"chat_template": null}'):
        config.write_text(garbage)
        assert not has_template(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("x")
    assert has_template(tmp_path)


def test_what_is_typed_is_found_or_said_why_not(tiny_model: Path, tmp_path: Path) -> None:
    put(tiny_model, tmp_path / "here" / "tiny")

    def typed(text: str) -> Candidate:
        return typed_model(text, tmp_path / "s", tmp_path / "here", tmp_path / "cache")

    (tmp_path / "s").mkdir()
    good = typed("  tiny/ ")
    assert good.problem is None
    assert (tmp_path / "s" / good.spec).samefile(tmp_path / "here" / "tiny")
    assert typed(str(tmp_path / "here" / "tiny")).spec == good.spec
    assert typed(DEMO_MODEL).where == "demo"
    for text in ("", "nope", "org/nope", "~nobody-at-all/x", "a\0b", "x" * 5000, "demo:other"):
        problem = typed(text).problem
        assert problem is not None, text
        assert problem.cure


def test_looking_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import sys, tunewright.engine.models, tunewright.engine.sizing;"
        "heavy = {'torch', 'transformers', 'trl', 'peft', 'datasets', 'textual', 'rich',"
        " 'tokenizers', 'jinja2'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"
