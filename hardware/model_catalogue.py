"""Current base models, offline: shapes from `models.toml`, each with its public source."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tunewright.hardware.errors import Problem
from tunewright.hardware.families import shape_from_config
from tunewright.hardware.model_config import parse_config
from tunewright.hardware.shapes import ModelShape

TABLE = Path(__file__).with_name("models.toml")


class KnownModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the table. `config` is in config.json's own names, `source` and `revision` where
    it was taken from; `checked`: `parameters` is what transformers builds from it."""

    id: str
    source: str
    revision: str
    checked: bool
    parameters: int
    config: dict[str, Any]

    @property
    def shape(self) -> ModelShape:
        """The model's shape, in bfloat16."""
        config = parse_config(self.config, TABLE)
        return shape_from_config(config, self.config, f"{TABLE.name} ({self.id})")


@cache
def known_models() -> dict[str, KnownModel]:
    """All rows by their hub id, in the order of the table."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    rows = msgspec.convert(table["models"], tuple[KnownModel, ...])
    return {row.id: row for row in rows}


def find_model(spec: str) -> KnownModel | None:
    """The row of a hub id, whatever its case, or of its last part where only one row has it."""
    wanted = spec.casefold()
    rows = known_models()
    for id, row in rows.items():
        if id.casefold() == wanted:
            return row
    named = [row for id, row in rows.items() if id.casefold().rpartition("/")[2] == wanted]
    return named[0] if len(named) == 1 else None


def shape_of(spec: str) -> ModelShape:
    """The shape of a model in the catalogue; Problem with the nearest names for one that is not."""
    row = find_model(spec)
    if row is not None:
        return row.shape
    names = {id.casefold(): id for id in known_models()}
    last = {id.casefold().rpartition("/")[2]: id for id in known_models()}
    near = difflib.get_close_matches(spec.casefold(), [*names, *last], n=3, cutoff=0.5)
    ids = list(dict.fromkeys((names | last)[name] for name in near))
    raise Problem(
        f"no model {spec!r} is in the catalogue",
        why=f"it holds {len(names)} models" + (f"; near are {', '.join(ids)}" if ids else ""),
        cure="name one of them, or a folder that holds the model's config.json",
    )
