"""The shape of a model from the header of a GGUF file: no weight is read.

The format (ggml-org/ggml docs/gguf.md, version 3): magic, version, number of tensors, number of
key-value pairs; typed metadata; then name, dimensions (innermost first), type and offset of each
tensor.
"""

from __future__ import annotations

import math
import re
import struct
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

from tunewright.hardware.errors import Problem
from tunewright.hardware.shapes import Linear, ModelShape

_SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_MOST_ITEMS = 1 << 24
_MOST_TEXT = 1 << 24
_MOST_TENSORS = 1 << 20
# Names of a layer's matrices in transformers' terms (ggml's gguf-py/gguf/tensor_mapping.py).
_LINEARS = {
    "attn_q": "q_proj", "attn_k": "k_proj", "attn_v": "v_proj", "attn_output": "o_proj",
    "attn_qkv": "qkv_proj", "ffn_gate": "gate_proj", "ffn_up": "up_proj", "ffn_down": "down_proj",
}  # fmt: skip
_LAYER = re.compile(r"blk\.(\d+)\.([a-z_]+)\.weight$")


def read_gguf(path: Path) -> ModelShape:
    """The shape of the model in a GGUF file; Problem naming the file when it is none, cut off, or
    of a version before 2."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            metadata, tensors = _header(file, path)
    except OSError as error:
        raise Problem(
            f"{path} cannot be read", why=str(error), cure="check its permissions and the disk"
        ) from error
    arch = metadata.get("general.architecture")
    if not isinstance(arch, str):
        raise _malformed(path, "it does not say general.architecture")

    def number(key: str, default: int | None = None) -> int:
        value = metadata.get(f"{arch}.{key}", default)
        if isinstance(value, list) and value and all(one == value[0] for one in value):
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise _malformed(path, f"{arch}.{key} is {str(value)[:60]!r}")
        return value

    layers, hidden = number("block_count"), number("embedding_length")
    heads = number("attention.head_count")
    if not layers or not hidden or not heads:
        raise _malformed(path, "a model without layers, width or heads")
    width = number("attention.key_length", hidden // heads)
    vocabulary = max((dims[-1] for name, dims in tensors.items() if name == "token_embd.weight"),
                     default=0)  # fmt: skip
    if not vocabulary:
        raise _malformed(path, "it has no token_embd.weight")
    counts: Counter[tuple[str, int, int]] = Counter()
    for name, dims in tensors.items():
        found = _LAYER.match(name)
        if found and len(dims) == 2 and found[2] in _LINEARS:
            counts[_LINEARS[found[2]], dims[0], dims[1]] += 1
    parameters = sum(math.prod(dims) for dims in tensors.values())
    experts = number("expert_count", 0)
    return ModelShape(
        model_type=arch,
        hidden_size=hidden,
        intermediate_size=number("feed_forward_length", 4 * hidden),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=number("attention.head_count_kv", heads) or heads,
        head_dim=width,
        vocab_size=vocabulary,
        tie_word_embeddings="output.weight" not in tensors,
        max_position_embeddings=number("context_length", 0) or None,
        parameters=parameters,
        weights_dtype="gguf",
        weight_bytes=size,
        linears=tuple(Linear(*key, count) for key, count in counts.items()),
        experts=experts,
        experts_per_token=number("expert_used_count", 1) if experts else 0,
        expert_intermediate_size=number(
            "expert_feed_forward_length", number("feed_forward_length", 0)
        )
        if experts
        else 0,
        expert_layers=layers if experts else 0,
        sliding_window=number("attention.sliding_window", 0) or None,
    )


def _header(file: BinaryIO, path: Path) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    if file.read(4) != b"GGUF":
        raise _malformed(path, "it does not begin with GGUF")
    version = _number(file, "I", path)
    if version not in (2, 3):
        raise _malformed(path, f"it is of version {version}; 2 and 3 are read")
    count, pairs = _number(file, "Q", path), _number(file, "Q", path)
    if count > _MOST_TENSORS or pairs > _MOST_TENSORS:
        raise _malformed(path, f"it claims {count:,} tensors and {pairs:,} fields")
    metadata: dict[str, Any] = {}
    for _ in range(pairs):
        key = _text(file, path)
        metadata[key] = _value(file, _number(file, "I", path), path)
    tensors: dict[str, tuple[int, ...]] = {}
    for _ in range(count):
        name = _text(file, path)
        dims = _number(file, "I", path)
        if dims > 4:
            raise _malformed(path, f"{name[:60]!r} has {dims} dimensions")
        tensors[name] = tuple(_number(file, "Q", path) for _ in range(dims))
        _number(file, "I", path)
        _number(file, "Q", path)
    return metadata, tensors


def _number(file: BinaryIO, code: str, path: Path) -> Any:
    return struct.unpack(f"<{code}", _bytes(file, struct.calcsize(f"<{code}"), path))[0]


def _bytes(file: BinaryIO, length: int, path: Path) -> bytes:
    raw = file.read(length)
    if len(raw) != length:
        raise Problem(
            f"{path} is cut off",
            why=f"its header should go on after byte {file.tell():,}",
            cure="download the file again",
        )
    return raw


def _text(file: BinaryIO, path: Path) -> str:
    length = _number(file, "Q", path)
    if length > _MOST_TEXT:
        raise _malformed(path, f"a text of {length:,} bytes")
    return _bytes(file, length, path).decode("utf-8", errors="replace")


def _value(file: BinaryIO, kind: int, path: Path) -> Any:
    if kind == _STRING:
        return _text(file, path)
    if kind == _ARRAY:
        inner, count = _number(file, "I", path), _number(file, "Q", path)
        if count > _MOST_ITEMS or inner == _ARRAY:
            raise _malformed(path, f"a list of {count:,} items")
        return [_value(file, inner, path) for _ in range(count)]
    if kind not in _SCALARS:
        raise _malformed(path, f"a field of the unknown type {kind}")
    return _number(file, _SCALARS[kind], path)


def _malformed(path: Path, detail: str) -> Problem:
    return Problem(
        f"{path} is not a readable GGUF file", why=detail, cure="download the file again"
    )
