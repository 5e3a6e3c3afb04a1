"""The tensors of a model folder, from the headers of its safetensors files: no weight is loaded.

The format (huggingface/safetensors README): 8 bytes little-endian header length, a JSON header
{name: {dtype, shape, data_offsets}}, then the data. Parsed by hand, since the check that matters
most, a file cut off by a broken download, needs nothing but the header and the file's size.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import msgspec

from tunewright.hardware.errors import Problem

# The limit of the safetensors library itself.
MAX_HEADER_BYTES = 100_000_000

DTYPE_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8,
    "U32": 4, "U16": 2, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "C64": 8,
}  # fmt: skip

_Size = Annotated[int, msgspec.Meta(ge=0)]


class Tensor(msgspec.Struct, frozen=True):
    """One entry of a header. `bytes` is its size in the file named `file`."""

    dtype: str
    shape: tuple[int, ...]
    bytes: int
    file: str

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        return math.prod(self.shape)


class _Entry(msgspec.Struct):
    dtype: str
    shape: tuple[_Size, ...]
    data_offsets: tuple[_Size, _Size]


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of `model.safetensors`, or of the shards that its index names.

    Raises Problem when there are no safetensors weights (pickles are refused), when a shard is
    missing, and when a header is cut off, malformed or promises more than the file holds.
    """
    single = folder / "model.safetensors"
    if single.is_file():
        return read_header(single)
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        raise _no_weights(folder)
    placed = _read_index(index)
    tensors: dict[str, Tensor] = {}
    for shard in sorted(set(placed.values())):
        if not (folder / shard).is_file():
            raise Problem(
                f"{folder / shard} is missing",
                why=f"{index.name} says that weights are in it",
                cure="download the model again, completely",
            )
        tensors.update(read_header(folder / shard))
    absent = sorted(placed.keys() - tensors.keys())
    if absent:
        raise Problem(
            f"{folder / placed[absent[0]]} does not hold {absent[0]}",
            why=f"{index} says that it does ({len(absent)} tensor(s) are missing so)",
            cure="download the model again, completely",
        )
    return tensors


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of one safetensors file; Problem naming the file when it is not whole."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > size - 8:
                raise _cut_off(path, f"its header should have {length:,} bytes")
            if length > MAX_HEADER_BYTES:
                raise _malformed(path, f"its header claims {length:,} bytes")
            header = file.read(length)
    except OSError as error:
        raise Problem(
            f"{path} cannot be read", why=str(error), cure="check its permissions and the disk"
        ) from error
    try:
        entries = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        entries.pop("__metadata__", None)
        parsed = {name: msgspec.json.decode(raw, type=_Entry) for name, raw in entries.items()}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(path, f"its header: {error}") from error
    tensors: dict[str, Tensor] = {}
    for name, entry in parsed.items():
        begin, end = entry.data_offsets
        promised = DTYPE_BYTES.get(entry.dtype)
        if end < begin or (
            promised is not None and math.prod(entry.shape) * promised != end - begin
        ):
            raise _malformed(path, f"{name} has {end - begin} bytes for {entry.shape}")
        if 8 + length + end > size:
            raise _cut_off(path, f"{name} should end at byte {8 + length + end:,}")
        tensors[name] = Tensor(entry.dtype, entry.shape, end - begin, path.name)
    return tensors


def _read_index(path: Path) -> dict[str, str]:
    """{tensor: shard file name} of an index; a shard outside the folder is refused."""
    # Few models come in shards, and a replay reads none.
    import json

    try:
        placed = json.loads(path.read_bytes())["weight_map"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _malformed(path, f"no readable weight_map: {error}") from error
    if not isinstance(placed, dict) or not placed:
        raise _malformed(path, "its weight_map is empty")
    for shard in placed.values():
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise _malformed(path, f"{shard!r} is not the name of a file beside it")
    return placed


def _no_weights(folder: Path) -> Problem:
    pickles = sorted(
        path.name
        for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt")
        for path in folder.glob(pattern)
    )
    if pickles:
        return Problem(
            f"{folder} has pickle weights only ({pickles[0]})",
            why="loading a pickle runs whatever code it holds, so only safetensors are read",
            cure="take the safetensors version of this model, or convert one you trust: "
            "https://huggingface.co/docs/safetensors/convert-weights",
        )
    if (folder / "adapter_config.json").is_file():
        return Problem(
            f"{folder} holds an adapter, not a model",
            why="it has adapter_config.json and no model.safetensors",
            cure="name the folder of the base model; adapter_config.json says which it is",
        )
    if any(folder.glob("*.gguf")):
        return Problem(
            f"{folder} holds GGUF weights only",
            why="GGUF is a format for serving; training starts from safetensors",
            cure="take the safetensors version of this model",
        )
    return Problem(
        f"{folder} has no weights",
        why="there is neither model.safetensors nor model.safetensors.index.json",
        cure="download the model again, completely",
    )


def _cut_off(path: Path, detail: str) -> Problem:
    return Problem(
        f"{path} is cut off",
        why=f"{detail}, and the file has {path.stat().st_size:,}",
        cure="download the file again",
    )


def _malformed(path: Path, detail: str) -> Problem:
    return Problem(f"{path} is malformed", why=detail, cure="download the file again")
