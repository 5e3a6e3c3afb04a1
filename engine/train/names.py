"""Which settings there are and what a person's word for one means, without importing TRL.

The names of SFTConfig, LoraConfig and BitsAndBytesConfig stand in names.json, which
`generate_names.py` writes from the pinned versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.train.renamed import REFUSED, RENAMED
from tunewright.engine.train.values import Spec, check_value, parse_value
from tunewright.hardware.errors import Problem
from tunewright.hardware.shapes import ModelShape

_FLOATS = ("float32", "bfloat16", "float16")

# Settings that are ours and no library's.
OURS: dict[str, Spec] = {
    "loss.on": Spec(("str",), "completion", ("completion", "assistant", "all")),
    "model.dtype": Spec(("str",), "bfloat16", _FLOATS),
    "model.attn_implementation": Spec(("str",), "sdpa", ("sdpa", "eager", "flash_attention_2")),
    "evaluation.rows": Spec(("int",), 64),
    "evaluation.shots": Spec(("int",), 3),
    "evaluation.max_new_tokens": Spec(("int",), 64),
    "evaluation.batch_size": Spec(("int",), 16),
    "evaluation.sample_rows": Spec(("int",), 2),
    "evaluation.sample_tokens": Spec(("int",), 64),
    "evaluation.sample_share": Spec(("float",), 0.02),
    "merge.dtype": Spec(("str",), "auto", ("auto", *_FLOATS)),
    "merge.verify_rows": Spec(("int",), 8),
}

# What the libraries take as free text though only these make sense.
_CHOICES: dict[str, tuple[str, ...]] = {
    "training.report_to": ("none", "tensorboard", "wandb", "mlflow", "trackio"),
    "quantization.bnb_4bit_quant_type": ("nf4", "fp4"),
    "quantization.bnb_4bit_compute_dtype": _FLOATS,
}


@cache
def settings() -> Mapping[str, Spec]:
    """Every setting by its full key, `group.name`; refused ones are left out."""
    table = msgspec.json.decode(Path(__file__).with_name("names.json").read_bytes())
    found = {
        f"{group}.{name}": msgspec.convert(entry, Spec)
        for group, entries in table.items()
        if group != "versions"
        for name, entry in entries.items()
        if name not in REFUSED and name not in RENAMED
    }
    for key, choices in _CHOICES.items():
        found[key] = msgspec.structs.replace(found[key], choices=choices)
    # A plan's memory needs a longest sequence, which TRL would let be unlimited.
    found["training.max_length"] = Spec(("int",), found["training.max_length"].default)
    return found | OURS


def resolve_setting(name: str) -> tuple[str, str | None]:
    """The full key that a name means, and a sentence when it is called something else today.

    Takes `learning_rate` and `training.learning_rate`. `Problem` for a name that is refused (with
    the reason), and for one that nobody knows (with the nearest that exists).
    """
    group, _, short = name.rpartition(".")
    known = settings()
    if name in known:
        return name, None
    if short in RENAMED:
        to = RENAMED[short]
        return to.key, f"{name} is called {to.key} here: {to.said}"
    if short in REFUSED:
        refused = REFUSED[short]
        raise Problem(f"{name} is not a setting here", why=refused.why, cure=refused.cure)
    if not group:
        found = [key for key in known if key.partition(".")[2] == name]
        if len(found) == 1:
            return found[0], None
        if found:
            raise Problem(
                f"{name} means more than one setting",
                why=f"it could be {' or '.join(found)}",
                cure=f"give the group: --set {found[0]}=…",
            )
    raise _unknown(name, known)


def parse_setting(
    name: str, value: Any, shape: ModelShape | None = None
) -> tuple[str, Any, str | None]:
    """(full key, checked value, note or None) of a setting as `--set NAME=VALUE` or a session says.

    Values may be text or already typed. `shape` adds the checks that depend on the model.
    """
    key, note = resolve_setting(name)
    old = RENAMED.get(name.rpartition(".")[2]) if note else None
    if old is not None and old.values is not None:
        flag = parse_value(name, value, Spec(("bool",), default=True))
        return key, old.values[flag], note
    spec = settings()[key]
    parsed = parse_value(key, value, spec)
    check_value(key, parsed, spec, shape)
    return key, parsed, note


def parse_settings(
    overrides: Mapping[str, Any], shape: ModelShape | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """All overrides of a session under their full keys, and the notes that came up.

    `Problem` as `parse_setting`, and when two names mean the same setting with different values.
    """
    found: dict[str, Any] = {}
    notes = []
    for name, value in overrides.items():
        key, parsed, note = parse_setting(name, value, shape)
        if key in found and found[key] != parsed:
            raise Problem(
                f"{key} is set twice",
                why=f"once to {found[key]!r}, once to {parsed!r} as {name}",
                cure="leave one of them out",
            )
        found[key] = parsed
        if note:
            notes.append(note)
    return found, tuple(notes)


def _unknown(name: str, known: Mapping[str, Spec]) -> Problem:
    import difflib

    by_short = {key.partition(".")[2]: key for key in known}
    words = [*by_short, *known, *RENAMED]
    near = difflib.get_close_matches(name, words, n=1) or difflib.get_close_matches(
        name.rpartition(".")[2], words, n=1
    )
    return Problem(
        f"there is no setting {name!r}",
        why="neither TRL's SFTConfig, peft's LoraConfig nor BitsAndBytesConfig has it, in the "
        "versions that are pinned here",
        cure=f"did you mean {near[0]!r}?" if near else "see the settings of a plan: --dry-run",
    )
