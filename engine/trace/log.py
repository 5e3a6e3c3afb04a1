"""What a traced step did to memory: storages born and freed, in blocks by phase and layer. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

Family = Literal[
    "weights", "adapters", "gradients", "optimizer", "activations", "loss", "dequantise",
    "workspace",
]  # fmt: skip


class Born(msgspec.Struct, frozen=True):
    """A storage of `bytes` comes into being: `id` names it until it is freed. `name`: what it is,
    by module and operation."""

    id: int
    bytes: int
    family: Family
    name: str


class Freed(msgspec.Struct, frozen=True):
    """The storage `id` is given back."""

    id: int


class Block(msgspec.Struct, frozen=True):
    """Consecutive events of one `phase`, inside one decoder `layer` or outside of all (None)."""

    phase: str
    layer: int | None
    events: list[Born | Freed]


class Trace(msgspec.Struct, frozen=True):
    """The blocks of one step. `gradients`: parameter name → storage of its gradient when the
    backward pass is over."""

    blocks: list[Block]
    gradients: dict[str, int]
