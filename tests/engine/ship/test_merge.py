"""A merged model is kept only if it answers like the adapter; everything it needs goes with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from jobs import GivenOrders, build_job, write_adapter
from tiny import TinyData

from tunewright.engine.run.events import Event, Note, Progress
from tunewright.engine.run.job import Job, Stopped
from tunewright.engine.ship import merge
from tunewright.engine.ship.merge import MergeResult
from tunewright.hardware.errors import Exit, Problem


@pytest.fixture(scope="module")
def bfloat16_model(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """The tiny model as most bases lie on disk, with a licence beside it."""
    import torch
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("bf16") / "model"
    shutil.copytree(tiny_model, folder)
    AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.bfloat16).save_pretrained(folder)
    (folder / "LICENSE").write_text("as is")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# a base\n")
    return folder


def logits_of(model: Any) -> Any:
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.arange(4, 40)[None]).logits


def result_of(job: Job) -> MergeResult:
    result = job.load_result("merge", MergeResult)
    assert result is not None
    return result


def test_a_float32_base_stays_float32_and_equals_the_adapter_without_tunewright(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    adapter = write_adapter(tiny_model, tmp_path / "adapter")
    events: list[Event] = []
    job = build_job(tmp_path, tiny_model, tiny_data, events=events)
    merge.run(job)
    result = result_of(job)
    assert [one.dtype for one in result.tries] == ["float32"]
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype="auto")
    assert merged.dtype == torch.float32
    base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    tuned = PeftModel.from_pretrained(base, adapter)
    assert torch.allclose(logits_of(merged), logits_of(tuned), atol=1e-4)
    with tuned.disable_adapter():
        assert not torch.allclose(logits_of(merged), logits_of(tuned), atol=1e-2)
    progress = [e for e in events if isinstance(e, Progress)]
    assert progress[-1].done == progress[-1].total == 6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapter", "merged", "results"]


def test_a_16_bit_merge_is_rounded_once_from_float32(
    tmp_path: Path, bfloat16_model: Path, tiny_data: TinyData
) -> None:
    import torch
    from safetensors.torch import load_file

    write_adapter(bfloat16_model, tmp_path / "adapter", scale=0.01)
    job = build_job(tmp_path, bfloat16_model, tiny_data, settings={"merge.dtype": "bfloat16"})
    merge.run(job)
    result = result_of(job)
    assert result.dtype == "bfloat16"
    assert result.tries[-1].agreement is not None
    assert result.tries[-1].agreement.max_logit_difference > 0
    name = "model.layers.0.mlp.up_proj"
    base = load_file(bfloat16_model / "model.safetensors")[f"{name}.weight"]
    lora = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    a, b = (lora[f"base_model.model.{name}.lora_{x}.weight"].float() for x in "AB")
    merged = load_file(tmp_path / "merged" / "model.safetensors")[f"{name}.weight"]
    assert torch.equal(merged, (base.float() + 2.0 * (b @ a)).to(torch.bfloat16))
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["dtype"] == "bfloat16"


def test_qlora_is_measured_on_4_bits_and_merged_into_the_whole_weights(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    import torch
    from safetensors.torch import load_file

    from tunewright.engine.prove.models import load_tuned

    write_adapter(tiny_model, tmp_path / "adapter")
    quantization = {
        "quantization.load_in_4bit": True,
        "quantization.bnb_4bit_quant_type": "nf4",
        "quantization.bnb_4bit_compute_dtype": "float32",
    }
    job = build_job(tmp_path, tiny_model, tiny_data, method="qlora", settings=quantization)
    layer = load_tuned(job).base_model.model.model.layers[0].mlp.up_proj.base_layer
    assert type(layer).__name__ == "Linear4bit"
    merge.run(job)
    name = "model.layers.0.mlp.up_proj"
    base = load_file(tiny_model / "model.safetensors")[f"{name}.weight"]
    lora = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    a, b = (lora[f"base_model.model.{name}.lora_{x}.weight"] for x in "AB")
    merged = load_file(tmp_path / "merged" / "model.safetensors")[f"{name}.weight"]
    assert torch.allclose(merged, base + 2.0 * (b @ a), atol=1e-6)


def test_when_rounding_changes_an_answer_a_more_exact_format_is_taken(
    tmp_path: Path, bfloat16_model: Path, tiny_data: TinyData
) -> None:
    # A random model has near ties everywhere, so bfloat16 rounding flips some token of 40.
    write_adapter(bfloat16_model, tmp_path / "adapter", scale=0.3)
    events: list[Event] = []
    wanted = {"evaluation.max_new_tokens": 40, "merge.verify_rows": 6}
    job = build_job(tmp_path, bfloat16_model, tiny_data, events=events, settings=wanted)
    merge.run(job)
    result = result_of(job)
    first = result.tries[0]
    assert first.dtype == "bfloat16"
    assert first.agreement is not None
    assert first.agreement.first is not None
    assert first.agreement.first.wanted != first.agreement.first.got
    assert result.dtype in ("float16", "float32")
    assert result.tries[-1].agreement is not None
    assert result.tries[-1].agreement.agrees
    assert any(isinstance(e, Note) and "merged in bfloat16" in e.text for e in events)
    assert result.tries[-1].agreement.max_logit_difference < first.agreement.max_logit_difference


def test_a_format_that_was_asked_for_and_differs_is_an_error_that_leaves_no_merged_model(
    tmp_path: Path, bfloat16_model: Path, tiny_data: TinyData
) -> None:
    write_adapter(bfloat16_model, tmp_path / "adapter", scale=0.3)
    wanted = {
        "evaluation.max_new_tokens": 40, "merge.verify_rows": 6, "merge.dtype": "bfloat16",
    }  # fmt: skip
    job = build_job(tmp_path, bfloat16_model, tiny_data, settings=wanted)
    with pytest.raises(Problem, match="does not answer like the adapter") as caught:
        merge.run(job)
    assert caught.value.exit == Exit.FAILED
    assert "rows differ" in caught.value.why
    assert "merge.dtype=float32" in caught.value.cure
    assert not (tmp_path / "merged").exists()
    assert not (tmp_path / ".merged.new").exists()
    assert not (tmp_path / "results" / "merge.json").exists()


def test_a_weight_beyond_float16_is_found_before_it_becomes_infinite(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    from safetensors.torch import load_file, save_file

    adapter = write_adapter(tiny_model, tmp_path / "adapter")
    weights = load_file(adapter / "adapter_model.safetensors")
    for name in weights:
        if "layers.0.mlp.up_proj.lora_B" in name:
            weights[name] *= 1e7
    save_file(weights, adapter / "adapter_model.safetensors")
    job = build_job(tmp_path, tiny_model, tiny_data, settings={"merge.dtype": "float16"})
    with pytest.raises(Problem) as caught:
        merge.run(job)
    assert "beyond the range of float16" in caught.value.why


def test_tokenizer_template_generation_settings_and_licence_travel_byte_for_byte(
    tmp_path: Path, bfloat16_model: Path, tiny_data: TinyData
) -> None:
    write_adapter(bfloat16_model, tmp_path / "adapter", scale=0.01)
    merge.run(build_job(tmp_path, bfloat16_model, tiny_data))
    for name in (
        "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
        "generation_config.json", "LICENSE",
    ):  # fmt: skip
        shipped = (tmp_path / "merged" / name).read_bytes()
        assert shipped == (bfloat16_model / name).read_bytes()


def test_an_adapter_with_another_tokenizer_or_template_is_refused(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    adapter = write_adapter(tiny_model, tmp_path / "adapter")
    job = build_job(tmp_path, tiny_model, tiny_data)
    template = adapter / "chat_template.jinja"
    before = template.read_text()
    template.write_text(before.replace("<|im_end|>", "<|endoftext|>"))
    with pytest.raises(Problem, match="belong together") as caught:
        merge.run(job)
    assert "template" in caught.value.why
    template.write_text(before)
    content = json.loads((adapter / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    one, other = sorted(vocabulary)[-2:]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    (adapter / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(Problem) as caught:
        merge.run(job)
    assert "2 tokens have other ids" in caught.value.why


def test_a_full_disk_is_told_before_anything_is_written(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_adapter(tiny_model, tmp_path / "adapter")
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(Problem, match="no room") as caught:
        merge.run(build_job(tmp_path, tiny_model, tiny_data))
    assert "1 MiB are free" in caught.value.why
    assert not list(tmp_path.glob("*merged*"))


def test_a_stop_is_obeyed_and_a_torn_merge_of_an_earlier_attempt_is_swept(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    write_adapter(tiny_model, tmp_path / "adapter")
    (tmp_path / ".merged.new").mkdir()
    (tmp_path / ".merged.new" / "model.safetensors").write_bytes(b"torn")
    stopping = build_job(tmp_path, tiny_model, tiny_data, orders=GivenOrders(stop_after=12))
    with pytest.raises(Stopped):
        merge.run(stopping)
    assert not list(tmp_path.glob("*merged*"))
    merge.run(build_job(tmp_path, tiny_model, tiny_data))
    assert (tmp_path / "merged" / "model.safetensors").stat().st_size > 1000


def test_a_full_fine_tune_has_nothing_to_merge_and_must_answer_as_evaluated(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    from safetensors.torch import load_file, save_file

    from tunewright.engine.prove import evaluate

    shutil.copytree(tiny_model, tmp_path / "model")
    job = build_job(tmp_path, tiny_model, tiny_data, method="full")
    evaluate.run(job)
    merge.run(job)
    result = result_of(job)
    assert result.merged is None
    assert "nothing to merge" in result.verdict
    assert result.figures == {"verified_rows": 6}
    weights = load_file(tmp_path / "model" / "model.safetensors")
    weights["model.norm.weight"][:8] = -2.0
    save_file(weights, tmp_path / "model" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Problem, match="does not answer as it did"):
        merge.run(job)


def test_without_a_trained_model_there_is_a_plain_error(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    with pytest.raises(Problem, match="no trained model"):
        merge.run(build_job(tmp_path, tiny_model, tiny_data))
