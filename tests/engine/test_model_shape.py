"""A model is sized from whatever of it is at hand, and what is broken is named."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.model_shape import model_shape
from tunewright.hardware.errors import Problem
from tunewright.hardware.gguf_header import read_gguf

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "tie_word_embeddings": True,
    "max_position_embeddings": 512,
}


def folder(path: Path, **changes: Any) -> Path:
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(CONFIG | changes))
    return path


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(path: Path, cut: int | None = None) -> Path:
    """A header as llama.cpp writes it, for a model of two layers."""
    fields = [
        ("general.architecture", 8, text("llama")),
        ("llama.block_count", 4, struct.pack("<I", 2)),
        ("llama.embedding_length", 4, struct.pack("<I", 64)),
        ("llama.feed_forward_length", 4, struct.pack("<I", 128)),
        ("llama.attention.head_count", 4, struct.pack("<I", 4)),
        ("llama.attention.head_count_kv", 4, struct.pack("<I", 2)),
        ("llama.context_length", 4, struct.pack("<I", 512)),
        ("tokenizer.tokens", 9, struct.pack("<IQ", 8, 2) + text("a") + text("b")),
    ]
    tensors = {"token_embd.weight": (64, 256), "output_norm.weight": (64,)}
    for layer in range(2):
        for name, dims in (
            ("attn_q", (64, 64)), ("attn_k", (64, 32)), ("attn_v", (64, 32)),
            ("attn_output", (64, 64)), ("ffn_gate", (64, 128)), ("ffn_up", (64, 128)),
            ("ffn_down", (128, 64)), ("attn_norm", (64,)), ("ffn_norm", (64,)),
        ):  # fmt: skip
            tensors[f"blk.{layer}.{name}.weight"] = dims
    raw = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields))
    for key, kind, value in fields:
        raw += text(key) + struct.pack("<I", kind) + value
    for name, dims in tensors.items():
        raw += text(name) + struct.pack("<I", len(dims))
        raw += b"".join(struct.pack("<Q", one) for one in dims) + struct.pack("<IQ", 0, 0)
    path.write_bytes(raw[:cut])
    return path


def test_a_config_alone_and_a_gguf_header_give_the_same_shape(tmp_path: Path) -> None:
    config, _ = model_shape(str(folder(tmp_path / "m")), tmp_path, tmp_path)
    header, source = model_shape(str(gguf(tmp_path / "m.gguf")), tmp_path, tmp_path)
    assert config.parameters == header.parameters
    assert config.linears == header.linears
    assert header.tie_word_embeddings
    assert header.max_position_embeddings == 512
    assert "m.gguf" in source


def test_an_unknown_family_is_said_to_be_an_approximation(tmp_path: Path) -> None:
    shape, source = model_shape(
        str(folder(tmp_path / "m", model_type="brand_new")), tmp_path, tmp_path
    )
    assert shape.approximate
    assert "brand_new" in source


def test_a_name_of_the_catalogue_says_where_it_is_from(tmp_path: Path) -> None:
    shape, source = model_shape("Qwen/Qwen3-8B", tmp_path, tmp_path)
    assert shape.model_type == "qwen3"
    assert "catalogue" in source


@pytest.mark.parametrize("cut", [0, 3, 4, 20, 60, 200, 900])
def test_a_gguf_that_is_cut_off_is_named(tmp_path: Path, cut: int) -> None:
    with pytest.raises(Problem) as caught:
        read_gguf(gguf(tmp_path / "short.gguf", cut))
    assert "short.gguf" in caught.value.what


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"hidden_size": -64}, "hidden_size"),
        ({"num_hidden_layers": None}, "num_hidden_layers"),
        ({"num_key_value_heads": 3}, "3"),
        ({"num_local_experts": "many"}, "num_local_experts"),
        ({"vocab_size": 1 << 40}, "vocab_size"),
    ],
)
def test_an_absurd_field_is_named(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Problem) as caught:
        model_shape(str(folder(tmp_path / "m", **changes)), tmp_path, tmp_path)
    assert named in f"{caught.value.what} {caught.value.why}"


def test_an_unknown_name_comes_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        model_shape("Qwen/Qwen3-9B", tmp_path, tmp_path)
    assert "Qwen/Qwen3-8B" in caught.value.why
