"""Writes names.json: setting names, types, choices and defaults of the pinned libraries.

    python -m tunewright.engine.train.generate_names

The table is committed, so that names are checked without importing TRL; a test generates it again.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("names.json")

# Where names are told apart from; the order of JSON types is the order in which text is tried.
_KINDS: dict[Any, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    list: "list",
    dict: "dict",
    type(None): "null",
}
_ORDER = ("null", "bool", "int", "float", "list", "dict", "str", "object")


def generate() -> dict[str, Any]:
    """The table as the installed TRL, peft and transformers give it: `versions`, then one object a
    group: name -> {types, default?, choices?}."""
    import peft
    import transformers
    import trl

    return {
        "versions": {
            "peft": peft.__version__,
            "transformers": transformers.__version__,
            "trl": trl.__version__,
        },
        "training": _of_dataclass(trl.SFTConfig),
        "lora": _of_dataclass(peft.LoraConfig),
        "quantization": _of_signature(transformers.BitsAndBytesConfig),
    }


def render(table: dict[str, Any]) -> str:
    """The text of names.json: one setting a line, so that a diff of two versions can be read."""
    import json

    groups = []
    for group, entries in table.items():
        lines = [f'  "{name}": {json.dumps(entry)}' for name, entry in entries.items()]
        groups.append(f'"{group}": {{\n' + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(groups) + "\n}\n"


def _of_dataclass(config: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(config)
    entries = {}
    for field in dataclasses.fields(config):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        choices = field.metadata.get("choices")
        entries[field.name] = _entry(hints[field.name], default, choices)
    return dict(sorted(entries.items()))


def _of_signature(config: Any) -> dict[str, Any]:
    """BitsAndBytesConfig has no annotations: its types are those of its defaults."""
    entries = {}
    for name, parameter in list(inspect.signature(config.__init__).parameters.items())[1:]:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        hint = type(parameter.default) if parameter.default is not None else str | None
        if name == "llm_int8_skip_modules":
            hint = list[str] | None
        entries[name] = _entry(hint, parameter.default, None)
    return dict(sorted(entries.items()))


def _entry(hint: Any, default: Any, choices: Any) -> dict[str, Any]:
    kinds: set[str] = set()
    found = set(choices or ())
    for part in _parts(hint):
        origin = typing.get_origin(part) or part
        if origin is typing.Literal:
            found |= set(typing.get_args(part))
            kinds |= {_KINDS[type(value)] for value in typing.get_args(part)}
        elif isinstance(origin, type) and issubclass(origin, Enum):
            found |= {member.value for member in origin}
            kinds.add("str")
        else:
            kinds.add(_KINDS.get(origin, "object"))
    entry: dict[str, Any] = {"types": sorted(kinds, key=_ORDER.index)}
    if isinstance(default, Enum):
        default = default.value
    if default is None or isinstance(default, (bool, int, float, str, list, dict)):
        entry["default"] = default
    names = sorted(choice for choice in found if isinstance(choice, str))
    if names and "object" not in kinds:
        entry["choices"] = names
    return entry


def _parts(hint: Any) -> list[Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [part for inner in typing.get_args(hint) for part in _parts(inner)]
    return [hint]


if __name__ == "__main__":
    TABLE.write_text(render(generate()))
    print(TABLE)
