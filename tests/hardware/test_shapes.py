"""A model's shape is read off its folder, exactly, and a folder that lies is refused."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from known_models import CONFIG, tensors, write_model, write_weights

from tunewright.hardware.errors import Problem
from tunewright.hardware.shapes import Linear, ModelShape, read_shape


def without(*keys: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in CONFIG.items() if key not in keys} | more


def refused(folder: Path) -> Problem:
    with pytest.raises(Problem) as caught:
        read_shape(folder)
    problem = caught.value
    assert problem.why
    assert problem.cure
    assert str(folder) in problem.what
    return problem


def test_a_plain_decoder_is_described_exactly(tmp_path: Path) -> None:
    shape = read_shape(write_model(tmp_path))
    assert shape == ModelShape(
        model_type="llama",
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=2,
        vocab_size=32,
        tie_word_embeddings=False,
        max_position_embeddings=128,
        parameters=2 * 32 * 8 + 2 * (8 * 8 * 2 + 8 * 4 * 2 + 8 * 16 * 3 + 16) + 8,
        weights_dtype="bfloat16",
        weight_bytes=2 * shape.parameters,
        linears=(
            Linear("q_proj", 8, 8, 2),
            Linear("k_proj", 8, 4, 2),
            Linear("v_proj", 8, 4, 2),
            Linear("o_proj", 8, 8, 2),
            Linear("gate_proj", 8, 16, 2),
            Linear("up_proj", 8, 16, 2),
            Linear("down_proj", 16, 8, 2),
        ),
    )


def test_the_count_is_that_of_transformers(tiny_model: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    shape = read_shape(tiny_model)
    assert shape.parameters == sum(p.numel() for p in model.parameters())
    assert shape.tie_word_embeddings
    assert shape.weights_dtype == "float32"
    assert shape.weight_bytes == 4 * shape.parameters
    names = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if type(module).__name__ == "Linear" and name != "lm_head"
    }
    assert {linear.name for linear in shape.linears} == names


def test_shards_are_joined_by_their_index(tmp_path: Path) -> None:
    whole = read_shape(write_model(tmp_path / "whole"))
    folder = write_model(tmp_path / "sharded")
    (folder / "model.safetensors").unlink()
    shapes = tensors()
    names = list(shapes)
    placed: dict[str, str] = {}
    for number, part in enumerate((names[:5], names[5:]), start=1):
        shard = f"model-{number:05}-of-00002.safetensors"
        write_weights(folder / shard, {name: shapes[name] for name in part})
        placed |= dict.fromkeys(part, shard)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    assert read_shape(folder) == whole
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors" in refused(folder).what
    index.write_text(json.dumps({"weight_map": {"a": "../../etc/passwd"}}))
    assert "index.json" in refused(folder).what
    index.write_text("{}")
    refused(folder)


def test_a_tensor_that_the_index_promises_must_be_there(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    placed = dict.fromkeys((*tensors(), "model.extra.weight"), "a.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    assert "model.extra.weight" in refused(folder).what


SPELLINGS = {
    "GPT-2": {
        "n_embd": 8, "n_layer": 2, "n_head": 4, "n_inner": None, "n_positions": 64,
    },
    "MPT": {"d_model": 8, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64},
    "Qwen": {
        "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 4, "max_position_embeddings": 64, "intermediate_size": 16,
    },
}  # fmt: skip


@pytest.mark.parametrize("family", SPELLINGS)
def test_families_spell_the_same_facts_differently(tmp_path: Path, family: str) -> None:
    config = {"model_type": "x", "vocab_size": 32, **SPELLINGS[family]}
    shape = read_shape(write_model(tmp_path, config))
    assert (shape.hidden_size, shape.num_hidden_layers, shape.num_attention_heads) == (8, 2, 4)
    assert shape.num_key_value_heads == 4
    assert shape.head_dim == 2
    assert shape.intermediate_size == 16
    assert shape.max_position_embeddings == 64


def test_gpt2_stores_its_matrices_turned_and_its_mask_is_no_parameter(tmp_path: Path) -> None:
    shapes = {
        "wte.weight": (32, 8),
        "wpe.weight": (64, 8),
        "h.0.attn.bias": (1, 1, 64, 64),
        "h.0.attn.masked_bias": (),
        "h.0.attn.c_attn.weight": (8, 24),
        "h.0.attn.c_attn.bias": (24,),
        "h.0.attn.c_proj.weight": (8, 8),
        "h.0.mlp.c_fc.weight": (8, 32),
        "h.0.mlp.c_proj.weight": (32, 8),
        "ln_f.weight": (8,),
    }
    config = {"model_type": "gpt2", "vocab_size": 32, "n_embd": 8, "n_layer": 1, "n_head": 4}
    shape = read_shape(write_model(tmp_path, config, shapes))
    assert shape.linears == (
        Linear("c_attn", 8, 24, 1),
        Linear("c_proj", 8, 8, 1),
        Linear("c_fc", 8, 32, 1),
        Linear("c_proj", 32, 8, 1),
    )
    assert shape.intermediate_size == 32
    assert shape.tie_word_embeddings
    assert shape.parameters == 32 * 8 + 64 * 8 + 8 * 24 + 24 + 8 * 8 + 2 * 8 * 32 + 8


def test_a_tied_head_that_is_stored_counts_once(tmp_path: Path) -> None:
    untied = read_shape(write_model(tmp_path / "a"))
    tied = read_shape(write_model(tmp_path / "b", without(tie_word_embeddings=True)))
    assert untied.parameters - tied.parameters == 32 * 8
    assert tied.weight_bytes == untied.weight_bytes


def test_a_multimodal_model_is_described_by_its_decoder(tmp_path: Path) -> None:
    shapes = {
        name.replace("model.", "model.language_model.", 1): s for name, s in tensors().items()
    }
    shapes |= {
        "model.vision_tower.encoder.layers.0.attn.q_proj.weight": (4, 4),
        "model.vision_tower.encoder.layers.7.attn.q_proj.weight": (4, 4),
    }
    config = {"model_type": "gemma3", "vision_config": {"hidden_size": 4}, "text_config": CONFIG}
    shape = read_shape(write_model(tmp_path / "both", config, shapes))
    text = read_shape(write_model(tmp_path / "text"))
    assert shape.linears == text.linears
    assert shape.parameters == text.parameters + 2 * 16


def test_experts_count_and_are_not_targets(tmp_path: Path) -> None:
    shapes = tensors()
    for layer in range(2):
        at = f"model.layers.{layer}.mlp."
        shapes[f"{at}gate.weight"] = (4, 8)
        for expert in range(4):
            shapes[f"{at}experts.{expert}.up_proj.weight"] = (16, 8)
    shape = read_shape(write_model(tmp_path / "moe", None, shapes))
    dense = read_shape(write_model(tmp_path / "dense"))
    assert shape.linears == dense.linears
    assert shape.parameters == dense.parameters + 2 * (4 * 8 + 4 * 16 * 8)


def test_a_big_model_is_read_in_no_time(tmp_path: Path) -> None:
    config = without(num_hidden_layers=126, num_nextn_predict_layers=1)
    folder = write_model(tmp_path, config, tensors(layers=127))
    start = time.perf_counter()
    assert read_shape(folder).num_hidden_layers == 126
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (without(vocab_size=31), "vocab_size"),
        (without(hidden_size=12), "hidden_size"),
        (without(num_hidden_layers=3), "num_hidden_layers"),
    ],
)
def test_config_and_weights_must_agree(tmp_path: Path, config: dict[str, Any], named: str) -> None:
    problem = refused(write_model(tmp_path, config))
    assert "config.json" in problem.what
    assert named in problem.why


def test_an_untied_model_without_a_head_is_refused(tmp_path: Path) -> None:
    shapes = tensors()
    del shapes["lm_head.weight"]
    assert "lm_head" in refused(write_model(tmp_path, None, shapes)).why


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (without("hidden_size"), "hidden_size"),
        (without("vocab_size"), "vocab_size"),
        (without(hidden_size=-8), "hidden_size"),
        (without(num_hidden_layers=0), "num_hidden_layers"),
        (without(num_hidden_layers=True), "num_hidden_layers"),
        (without(num_attention_heads="4"), "num_attention_heads"),
        (without(num_attention_heads=4.0), "num_attention_heads"),
        (without(num_attention_heads=3), "multiple"),
        (without(num_key_value_heads=3), "key-value"),
        (without(num_key_value_heads=[2, 4]), "num_key_value_heads"),
        (without(vocab_size=10**12), "vocab_size"),
        (without(quantization_config=[1]), "quantization_config"),
        ([1, 2], "object"),
    ],
)
def test_an_absurd_config_is_refused_by_field(tmp_path: Path, config: Any, named: str) -> None:
    assert named in refused(write_model(tmp_path, config)).why


@pytest.mark.parametrize("text", ["", "{", "null", '{"a": \x00}', "[" * 100_000])
def test_an_unreadable_config_is_refused(tmp_path: Path, text: str) -> None:
    folder = write_model(tmp_path)
    (folder / "config.json").write_text(text)
    assert "config.json" in refused(folder).what


def test_what_is_not_a_model_folder_is_said(tmp_path: Path) -> None:
    assert "no such folder" in refused(tmp_path / "absent").why
    assert "config.json" in refused(tmp_path).why
    folder = write_model(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.rename(folder / "elsewhere")
    assert "no weights" in refused(folder).what
    (folder / "model.gguf").touch()
    assert "GGUF" in refused(folder).what
    (folder / "adapter_config.json").touch()
    assert "adapter" in refused(folder).what


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "x.pt"])
def test_pickle_weights_are_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    folder = write_model(tmp_path)
    (folder / "model.safetensors").rename(folder / name)
    problem = refused(folder)
    assert "pickle" in problem.what
    assert "convert" in problem.cure


def test_an_already_quantised_model_is_refused(tmp_path: Path) -> None:
    config = without(quantization_config={"quant_method": "gptq", "bits": 4})
    assert "gptq" in refused(write_model(tmp_path, config)).what


def header(text: str, claimed: int | None = None, data: int = 0) -> bytes:
    blob = text.encode()
    length = len(blob) if claimed is None else claimed
    return length.to_bytes(8, "little") + blob + bytes(data)


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\x01\x02",
        header("{}", claimed=1000),
        header("{}", claimed=2**63),
        header("not json"),
        header('{"a": 5}'),
        header('{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}', data=4),
        header('{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}', data=4),
        header('{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}', data=4),
        header('{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', data=7),
        header('{"a": {"dtype": "F32", "shape": ["x"], "data_offsets": [0, 8]}}', data=8),
        header("\udcff".encode("utf-8", "surrogatepass").decode("latin1")),
    ],
)
def test_a_broken_weights_file_is_named(tmp_path: Path, blob: bytes) -> None:
    folder = write_model(tmp_path)
    (folder / "model.safetensors").write_bytes(blob)
    assert "model.safetensors" in refused(folder).what


def test_every_cut_of_a_weights_file_is_noticed(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    for length in (*range(0, len(whole), 97), len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "model.safetensors" in refused(folder).what
