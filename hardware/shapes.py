"""The shape of a model, read from its folder without loading a weight."""

from __future__ import annotations

import msgspec


class Linear(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`count` linear layers of the decoder that share a name (the last part, e.g. "q_proj")."""

    name: str
    in_features: int
    out_features: int
    count: int


class ModelShape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shape facts of one decoder-only model. `parameters` counts every weight once (tied ones
    too); `linears` are the layers that adapters can target, heads and embeddings excluded;
    `weights_dtype` and `weight_bytes` are those on disk."""

    model_type: str
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    tie_word_embeddings: bool
    max_position_embeddings: int | None
    parameters: int
    weights_dtype: str
    weight_bytes: int
    linears: tuple[Linear, ...]
