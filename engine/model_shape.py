"""The shape that a person's words for a model mean, for sizing: more places than training takes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tunewright.engine.model import DEMO_MODEL, hub_snapshot, resolve_model
from tunewright.hardware.errors import Problem
from tunewright.hardware.families import shape_from_config
from tunewright.hardware.gguf_header import read_gguf
from tunewright.hardware.model_catalogue import find_model, shape_of
from tunewright.hardware.model_config import load_config, parse_config, text_part
from tunewright.hardware.shapes import ModelShape, read_shape


class Sized(NamedTuple):
    """A shape and where it is from, in words."""

    shape: ModelShape
    source: str


def model_shape(spec: str, base: Path, cache: Path) -> Sized:
    """A folder with weights (checked against its config) or with config.json alone, a GGUF file, a
    hub id in the local cache, or a model of the offline catalogue. Problem as these raise."""
    if spec == DEMO_MODEL:
        return Sized(read_shape(resolve_model(spec, base, cache)), "the demo's model")
    path = base / Path(spec).expanduser()
    if path.is_file():
        if path.suffix == ".gguf":
            return Sized(read_gguf(path), f"the header of {path.name}")
        if path.name == "config.json":
            return _of_config(path)
        raise Problem(
            f"{path} is no model",
            why="a model is a folder, a .gguf file, or its config.json",
            cure="name one of these, or a model of the catalogue like Qwen/Qwen3-8B",
        )
    if path.is_dir():
        if any(path.glob("*.safetensors")) or (path / "model.safetensors.index.json").is_file():
            return Sized(read_shape(path), "config.json and the headers of the weights")
        gguf = sorted(path.glob("*.gguf"))
        if gguf and not (path / "config.json").is_file():
            return Sized(read_gguf(gguf[0]), f"the header of {gguf[0].name}")
        if any(path.glob("*.bin")):
            return Sized(read_shape(path), "")  # refused there, with the reason
        return _of_config(path / "config.json")
    if spec.count("/") == 1 and not spec.startswith((".", "/", "~")):
        try:
            return Sized(read_shape(hub_snapshot(spec)), "the local Hugging Face cache")
        except Problem:
            if find_model(spec) is None:
                shape_of(spec)  # names the nearest of the catalogue
    if spec.startswith((".", "/", "~", "demo:")):
        return Sized(read_shape(resolve_model(spec, base, cache)), "")
    shape = shape_of(spec)
    row = find_model(spec)
    assert row is not None
    return Sized(shape, f"the catalogue, {row.id}: {row.source} at {row.revision[:12]}")


def _of_config(path: Path) -> Sized:
    raw = load_config(path)
    config = parse_config(raw, path)
    shape = shape_from_config(config, text_part(raw), str(path))
    known = "no weights at hand, so they are counted by the family's formula"
    if shape.approximate:
        known = f"{config.model_type!r} is not a family that is known: a plain decoder is assumed"
    return Sized(shape, f"config.json alone: {known}")
