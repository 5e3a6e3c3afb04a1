"""Card and manifest: true, loadable, and without a path of this machine."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec
import pytest
from jobs import build_job, write_adapter
from tiny import TinyData

from tunewright.engine.prove import baseline, evaluate
from tunewright.engine.run.job import Job
from tunewright.engine.session import encode_session
from tunewright.engine.ship import card, merge
from tunewright.engine.ship.card import Manifest


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: TinyData) -> Job:
    run_dir = tmp_path_factory.mktemp("ship")
    base = run_dir.parent / f"{run_dir.name}-base" / "tiny-llama"
    shutil.copytree(tiny_model, base)
    (base / "README.md").write_text("---\nlicense: apache-2.0\ntags:\n- x\n---\n# base\n")
    write_adapter(base, run_dir / "adapter")
    job = build_job(run_dir, base, tiny_data)
    (run_dir / "session.json").write_bytes(encode_session(job.session))
    baseline.run(job)
    evaluate.run(job)
    merge.run(job)
    return job


def manifest_of(job: Job, kind: str) -> Manifest:
    return msgspec.json.decode((job.run_dir / kind / "manifest.json").read_bytes(), type=Manifest)


@pytest.mark.parametrize("kind", ["adapter", "merged"])
def test_the_header_says_what_is_known_and_nothing_else(shipped: Job, kind: str) -> None:
    text = (shipped.run_dir / kind / "README.md").read_text()
    header = text.split("---\n")[1].splitlines()
    library = "peft" if kind == "adapter" else "transformers"
    assert f"library_name: {library}" in header
    assert "license: apache-2.0" in header
    assert not any(line.startswith(("base_model", "datasets")) for line in header)


@pytest.mark.parametrize("kind", ["adapter", "merged"])
def test_neither_card_nor_manifest_holds_a_local_path(
    shipped: Job, kind: str, tiny_data: TinyData
) -> None:
    for name in ("README.md", "manifest.json"):
        text = (shipped.run_dir / kind / name).read_text()
        for place in (shipped.run_dir, shipped.model_dir.parent, tiny_data.train.parent):
            assert str(place) not in text
    assert "tiny-llama" in (shipped.run_dir / kind / "README.md").read_text()


def test_the_card_shows_figures_with_intervals_and_the_verification(shipped: Job) -> None:
    text = (shipped.run_dir / "merged" / "README.md").read_text()
    assert "| base, 2 examples | 0.0 % [0, 46] |" in text
    assert "| tuned, no examples | 0.0 % [0, 46] |" in text
    assert "Merged in float32: 3 of 3 held-out rows answered like the adapter" in text
    assert "Verified" not in (shipped.run_dir / "adapter" / "README.md").read_text()


def test_the_code_on_the_card_is_what_loads_the_model(
    shipped: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (shipped.run_dir / "merged" / "README.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(shipped.run_dir / "merged")
    names: dict[str, object] = {}
    exec(compile(code, "card", "exec"), names)
    assert type(names["model"]).__name__ == "LlamaForCausalLM"


def test_the_manifest_ties_the_folder_to_base_session_and_files(shipped: Job) -> None:
    manifest = manifest_of(shipped, "adapter")
    weights = shipped.run_dir / "adapter" / "adapter_model.safetensors"
    assert manifest.files[weights.name].sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    base = shipped.model_dir / "model.safetensors"
    assert manifest.base.files[base.name].sha256 == hashlib.sha256(base.read_bytes()).hexdigest()
    session = hashlib.sha256((shipped.run_dir / "session.json").read_bytes()).hexdigest()
    assert manifest.session == f"sha256:{session}"
    assert manifest.settings["loss.on"] == "completion"
    assert manifest.packages == {"torch": "2.13.0"}
    assert "manifest.json" not in manifest.files


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("hub/models--Org--Small-1B/snapshots/0a1b2c", "Org/Small-1B"),
        ("somewhere/my model", "my model"),
    ],
)
def test_a_base_goes_by_its_hub_id_where_one_is_known(
    folder: str, name: str, shipped: Job, tmp_path: Path
) -> None:
    place = tmp_path / folder
    place.mkdir(parents=True)
    job = msgspec.structs.replace(shipped, model_dir=place)
    assert card.base_name(job) == name
    assert ("base_model: Org/Small-1B" in card.card(job, "adapter")) == (name == "Org/Small-1B")
    assert "unknown here" in card.card(job, "adapter")


def test_a_demo_base_goes_by_what_it_is_a_copy_of(shipped: Job, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nbase_model: HuggingFaceTB/SmolLM2\n---\n")
    inputs = msgspec.structs.replace(shipped.session.inputs, model="demo:smollm2")
    session = msgspec.structs.replace(shipped.session, inputs=inputs)
    job = msgspec.structs.replace(shipped, model_dir=tmp_path, session=session)
    assert card.base_name(job) == "HuggingFaceTB/SmolLM2"
