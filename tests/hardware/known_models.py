"""Shapes of known models, and model folders whose weights are headers over a sparse file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from tunewright.hardware.shapes import Linear, ModelShape

BYTES = {"F32": 4, "BF16": 2, "F16": 2, "U8": 1}


def llama(
    hidden: int,
    intermediate: int,
    layers: int,
    heads: int,
    kv_heads: int,
    vocab: int,
    *,
    tied: bool,
    head_dim: int | None = None,
) -> ModelShape:
    """A Llama-like model in bfloat16, with the parameter count that transformers gives it."""
    width = head_dim or hidden // heads
    q, kv = heads * width, kv_heads * width
    linears = (
        Linear("q_proj", hidden, q, layers),
        Linear("k_proj", hidden, kv, layers),
        Linear("v_proj", hidden, kv, layers),
        Linear("o_proj", q, hidden, layers),
        Linear("gate_proj", hidden, intermediate, layers),
        Linear("up_proj", hidden, intermediate, layers),
        Linear("down_proj", intermediate, hidden, layers),
    )
    parameters = sum(m.in_features * m.out_features * m.count for m in linears)
    parameters += vocab * hidden * (1 if tied else 2) + (2 * layers + 1) * hidden
    return ModelShape(
        model_type="llama",
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=width,
        vocab_size=vocab,
        tie_word_embeddings=tied,
        max_position_embeddings=4096,
        parameters=parameters,
        weights_dtype="bfloat16",
        weight_bytes=2 * parameters,
        linears=linears,
    )


LLAMA_2_7B = llama(4096, 11008, 32, 32, 32, 32000, tied=False)
LLAMA_3_8B = llama(4096, 14336, 32, 32, 8, 128256, tied=False)
LLAMA_3_3B = llama(3072, 8192, 28, 24, 8, 128256, tied=True, head_dim=128)
SMOLLM2 = llama(576, 1536, 30, 9, 3, 49152, tied=True)

CONFIG = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 32,
    "tie_word_embeddings": False,
    "max_position_embeddings": 128,
}


def tensors(layers: int = 2, hidden: int = 8, vocab: int = 32) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the model that CONFIG describes."""
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocab, hidden)}
    for layer in range(layers):
        at = f"model.layers.{layer}."
        found |= {
            f"{at}self_attn.q_proj.weight": (hidden, hidden),
            f"{at}self_attn.k_proj.weight": (hidden // 2, hidden),
            f"{at}self_attn.v_proj.weight": (hidden // 2, hidden),
            f"{at}self_attn.o_proj.weight": (hidden, hidden),
            f"{at}mlp.gate_proj.weight": (16, hidden),
            f"{at}mlp.up_proj.weight": (16, hidden),
            f"{at}mlp.down_proj.weight": (hidden, 16),
            f"{at}input_layernorm.weight": (hidden,),
            f"{at}post_attention_layernorm.weight": (hidden,),
        }
    return found | {"model.norm.weight": (hidden,), "lm_head.weight": (vocab, hidden)}


def write_weights(path: Path, shapes: dict[str, tuple[int, ...]], dtype: str = "BF16") -> Path:
    """A safetensors file with these tensors; the data is a hole, so size costs nothing."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, shape in shapes.items():
        size = math.prod(shape) * BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    blob = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(blob).to_bytes(8, "little") + blob)
        file.truncate(8 + len(blob) + at)
    return path


def write_model(
    folder: Path,
    config: dict[str, Any] | None = None,
    shapes: dict[str, tuple[int, ...]] | None = None,
    dtype: str = "BF16",
) -> Path:
    """A model folder: config.json and model.safetensors."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG if config is None else config))
    write_weights(folder / "model.safetensors", tensors() if shapes is None else shapes, dtype)
    return folder
