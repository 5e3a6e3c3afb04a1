"""config.json of a model, in one vocabulary: the families spell the same facts differently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tunewright.hardware.errors import Problem

# Our name (that of Llama, Qwen, Mistral, Gemma, Phi-3, GPT-NeoX) and the other spellings, in order.
_ALIASES = {
    "hidden_size": ("hidden_size", "n_embd", "d_model", "dim"),  # GPT-2, MPT, Mistral's own
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "num_attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "num_key_value_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv", "n_kv_heads"),
    "head_dim": ("head_dim", "kv_channels"),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"),
    "vocab_size": ("vocab_size", "padded_vocab_size"),
    "max_position_embeddings": ("max_position_embeddings", "n_positions", "n_ctx", "seq_length"),
}
_REQUIRED = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
# Far above any model; what is larger is a broken or hostile file.
_MOST = 1 << 31


class ModelConfig(msgspec.Struct, frozen=True):
    """Facts of config.json. None: it does not say (`intermediate_size`, `tie_word_embeddings` are
    then read off the weights). `extra_layers` are multi-token-prediction layers that some families
    store after the decoder's own."""

    model_type: str
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    intermediate_size: int | None
    max_position_embeddings: int | None
    tie_word_embeddings: bool | None
    extra_layers: int
    quantization: str | None

    def said(self) -> dict[str, Any]:
        """The fields of a `ModelShape` that config.json alone says."""
        names = (
            "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads",
            "num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


def read_config(path: Path) -> ModelConfig:
    """Read config.json; the text part of a multimodal one. Problem when it is missing, not JSON,
    or says something impossible (the field is named)."""
    return parse_config(load_config(path), path)


def text_part(outer: dict[str, Any]) -> dict[str, Any]:
    """The part of a config that describes the decoder: of a multimodal one, its text model."""
    for key in ("text_config", "llm_config", "language_config"):
        if isinstance(outer.get(key), dict):
            part: dict[str, Any] = outer[key]
            return part
    return outer


def parse_config(outer: dict[str, Any], path: Path) -> ModelConfig:
    """The facts of a config that was read from `path` (which errors name); Problem as
    `read_config`."""
    inner = text_part(outer)
    facts: dict[str, int | None] = {}
    for name, spellings in _ALIASES.items():
        facts[name] = None
        for spelling in spellings:
            if inner.get(spelling) is not None:
                facts[name] = _positive(path, spelling, inner[spelling])
                break
    for name in _REQUIRED:
        if facts[name] is None:
            raise _impossible(path, f"it has no {name} ({' or '.join(_ALIASES[name])})")
    hidden, heads = facts["hidden_size"] or 0, facts["num_attention_heads"] or 0
    if facts["head_dim"] is None and hidden % heads:
        raise _impossible(path, f"hidden_size {hidden} is not a multiple of {heads} heads")
    kv_heads = facts["num_key_value_heads"]
    if kv_heads is None or (inner.get("multi_query") and not inner.get("new_decoder_architecture")):
        # Falcon says multi_query, one key-value head, where others give their number.
        kv_heads = 1 if inner.get("multi_query") else heads
    if heads % kv_heads:
        raise _impossible(path, f"{heads} heads cannot share {kv_heads} key-value heads evenly")
    quantization = outer.get("quantization_config") or inner.get("quantization_config")
    if quantization is not None and not isinstance(quantization, dict):
        raise _impossible(path, "quantization_config is not an object")
    extra = inner.get("num_nextn_predict_layers")
    return ModelConfig(
        model_type=str(inner.get("model_type") or outer.get("model_type") or "unknown"),
        hidden_size=hidden,
        num_hidden_layers=facts["num_hidden_layers"] or 0,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=facts["head_dim"] or hidden // heads,
        vocab_size=facts["vocab_size"] or 0,
        intermediate_size=facts["intermediate_size"],
        max_position_embeddings=facts["max_position_embeddings"],
        tie_word_embeddings=_tied(inner, outer),
        extra_layers=extra if isinstance(extra, int) else 0,
        quantization=str(quantization.get("quant_method", "unknown")) if quantization else None,
    )


def load_config(path: Path) -> dict[str, Any]:
    """config.json as it stands; Problem when it is missing or not a JSON object."""
    if not path.is_file():
        raise Problem(
            f"{path.parent} is not a model folder",
            why="it has no config.json" if path.parent.is_dir() else "there is no such folder",
            cure="name a folder with config.json and safetensors weights",
        )
    # Of the standard library, since configs hold NaN and Infinity; a replay reads no config.
    import json

    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Problem(
            f"{path} cannot be read", why=str(error), cure="download the file again"
        ) from error
    if not isinstance(config, dict):
        raise _impossible(path, "it is not a JSON object")
    return config


def _positive(path: Path, key: str, value: object) -> int:
    # Some families give one number a layer; where they are not all equal there is no one shape.
    if isinstance(value, list) and value and all(item == value[0] for item in value):
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _MOST:
        raise _impossible(
            path,
            f"{key} is {msgspec.json.encode(value).decode()[:80]}, not a positive whole number",
        )
    return value


def _tied(inner: dict[str, Any], outer: dict[str, Any]) -> bool | None:
    for config in (inner, outer):
        value = config.get("tie_word_embeddings")
        if isinstance(value, bool):
            return value
    return None


def _impossible(path: Path, why: str) -> Problem:
    return Problem(
        f"{path} does not describe a decoder language model",
        why=why,
        cure="check that the folder holds an unmodified text model, or download it again",
    )
