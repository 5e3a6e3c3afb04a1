"""The offline catalogue: every row adds up, and transformers builds the same model from it."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tunewright.hardware.errors import Problem
from tunewright.hardware.model_catalogue import KnownModel, find_model, known_models, shape_of


def test_sixty_current_models_of_every_family_have_their_source() -> None:
    rows = known_models()
    assert len(rows) >= 60
    assert all(row.source and row.revision for row in rows.values())
    kinds = {row.config["model_type"] for row in rows.values()}
    assert kinds >= {
        "llama", "qwen3", "qwen3_moe", "mistral", "mixtral", "gemma2", "gemma3_text", "phi3",
        "deepseek_v3", "glm4", "gpt_oss", "smollm3", "olmo2", "olmo3", "falcon",
    }  # fmt: skip


@pytest.mark.parametrize("row", known_models().values(), ids=lambda row: row.id)
def test_a_row_has_the_parameters_that_it_says(row: KnownModel) -> None:
    assert row.shape.parameters == row.parameters


def test_known_counts_of_well_known_models() -> None:
    """As their model cards say, to the digit where they give one."""
    assert shape_of("meta-llama/Llama-3.1-8B").parameters == 8_030_261_248
    assert shape_of("meta-llama/Llama-2-7b-hf").parameters == 6_738_415_616
    assert shape_of("Qwen/Qwen2.5-7B").parameters == 7_615_616_512
    assert shape_of("mistralai/Mixtral-8x7B-v0.1").parameters == 46_702_792_704
    assert shape_of("HuggingFaceTB/SmolLM2-135M").parameters == 134_515_008


def test_a_model_is_found_by_its_last_name_in_any_case() -> None:
    row = find_model("llama-3.1-8b")
    assert row is not None
    assert row.id == "meta-llama/Llama-3.1-8B"
    with pytest.raises(Problem, match="no model") as caught:
        shape_of("meta-llama/Llama-3.1-9B")
    assert "Llama-3.1-8B" in caught.value.why


@pytest.mark.slow
def test_transformers_builds_the_same_parameters_and_linear_layers() -> None:
    """On torch's meta device, where a model of 671 billion parameters takes no memory."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    for id, row in known_models().items():
        if not row.checked:
            continue
        said = {k: v for k, v in row.config.items() if k != "vision_parameters"}
        kind = said.pop("model_type")
        if kind == "falcon":  # these it calculates, or has under other names
            said.pop("head_dim")
            said["num_kv_heads"] = said.pop("num_key_value_heads")
            said["ffn_hidden_size"] = said.pop("intermediate_size")
            said["multi_query"] = not said["new_decoder_architecture"]
        if kind == "deepseek_v2":
            said.setdefault("q_lora_rank", None)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **said))
        shape = row.shape
        built = sum(p.numel() for p in model.parameters())
        assert built + shape.vision_parameters == shape.parameters, id
        linears: Counter[tuple[str, int, int]] = Counter()
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Linear) and re.search(r"\.(layers|h)\.\d+\.", name):
                linears[name.rpartition(".")[2], module.in_features, module.out_features] += 1
        ours: Counter[tuple[str, int, int]] = Counter()
        for linear in shape.linears:
            ours[linear.name, linear.in_features, linear.out_features] += linear.count
        assert linears == ours, id
