"""Is a value one that a setting can take: its type, its choices and its range."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from tunewright.hardware.errors import Problem
from tunewright.hardware.shapes import ModelShape


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What names.json says of one setting. `types` in the order in which text is tried; `choices`
    are the strings that it takes."""

    types: tuple[str, ...]
    default: Any = None
    choices: tuple[str, ...] = ()


class Range(msgspec.Struct, frozen=True):
    """`low` <= value <= `high`; `open_low` and `open_high` exclude the ends. `why` for people."""

    low: float
    high: float
    why: str
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
        high = "any" if self.high == math.inf else f"{self.high:g}"
        return f"{left}{self.low:g}, {high}{right}"


_ANY = math.inf
_COUNT = Range(1, _ANY, "it is a count of at least one")
_SHARE = Range(0, 1, "it is a share", open_high=True)

RANGES: dict[str, Range] = {
    "training.learning_rate": Range(
        0, 1, "a step against the gradient has a positive size", open_low=True
    ),
    "training.num_train_epochs": Range(0, _ANY, "no epoch is no training", open_low=True),
    "training.per_device_train_batch_size": _COUNT,
    "training.per_device_eval_batch_size": _COUNT,
    "training.gradient_accumulation_steps": _COUNT,
    "training.warmup_steps": Range(0, _ANY, "below 1 it is a ratio of all steps, else a count"),
    "training.weight_decay": _SHARE,
    "training.max_length": Range(8, _ANY, "a row needs room for a question and an answer"),
    "training.eval_steps": Range(1, _ANY, "it is a count of steps"),
    "training.save_steps": Range(1, _ANY, "it is a count of steps"),
    "training.save_total_limit": Range(1, _ANY, "a run keeps at least one checkpoint to resume"),
    "training.logging_steps": Range(1, _ANY, "it is a count of steps"),
    "training.max_grad_norm": Range(0, _ANY, "0 turns clipping off, above it is the largest norm"),
    "training.label_smoothing_factor": _SHARE,
    "training.neftune_noise_alpha": Range(0, _ANY, "it is the size of a noise", open_low=True),
    "training.adam_beta1": _SHARE,
    "training.adam_beta2": _SHARE,
    "training.adam_epsilon": Range(0, 1, "it keeps a division away from zero", open_low=True),
    "training.seed": Range(0, 2**32 - 1, "numpy takes 32-bit seeds"),
    "training.data_seed": Range(0, 2**32 - 1, "numpy takes 32-bit seeds"),
    "training.dataloader_num_workers": Range(0, 256, "it is a count of processes"),
    "lora.r": Range(1, 65536, "it is the number of directions an adapter can move in"),
    "lora.lora_alpha": _COUNT,
    "lora.lora_dropout": _SHARE,
    "evaluation.rows": _COUNT,
    "evaluation.shots": Range(0, 64, "it is a count of examples in the prompt"),
    "evaluation.max_new_tokens": _COUNT,
    "evaluation.batch_size": _COUNT,
    "evaluation.sample_rows": Range(0, 64, "0 asks none; each row is answered again and again"),
    "evaluation.sample_tokens": _COUNT,
    "evaluation.sample_share": Range(
        0, _ANY, "it is what answers may cost, as a share of the time trained", open_low=True
    ),
    "merge.verify_rows": _COUNT,
}


def parse_value(key: str, value: Any, spec: Spec) -> Any:
    """`value` as the setting's type: text as `--set` gives it, or a value from a session file.

    A list may be written `a,b`; a value that may be absent takes `none`. `Problem` if it is none
    of the types.
    """
    for kind in spec.types:
        read = _READ.get(kind)
        if read is not None:
            found = read(value)
            if found is not _NO:
                return found
    wanted = " or ".join(_IN_WORDS[kind] for kind in spec.types if kind in _READ)
    if not wanted:
        raise Problem(
            f"{key} cannot be set",
            why="it takes an object of a Python library, which a session file cannot hold",
            cure="write your own script: tunewright eject gives one to start from",
        )
    raise Problem(
        f"{key} cannot be {value!r}",
        why=f"it takes {wanted}",
        cure=f"for instance: --set {key}={spec.default if spec.default is not None else '…'}",
    )


def check_value(key: str, value: Any, spec: Spec, shape: ModelShape | None = None) -> None:
    """Raise a `Problem` when a parsed value is no choice of the setting or out of its range."""
    for word in value if isinstance(value, list) else [value]:
        if isinstance(word, str) and spec.choices and word not in spec.choices:
            raise _no_choice(key, word, spec)
    if key == "training.max_steps":
        if value != -1 and value < 1:
            raise Problem(
                f"{key} cannot be {value}",
                why="it is a count of steps; -1 leaves the length of the run to num_train_epochs",
                cure=f"--set {key}=-1, or a positive number",
            )
        return
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    limits = RANGES.get(key)
    if number and (not math.isfinite(value) or (limits and not limits.holds(value))):
        raise Problem(
            f"{key} cannot be {value:g}",
            why=limits.why if limits else "it has to be a finite number",
            cure=f"take a value in {limits}" if limits else "take a finite number",
        )
    if key == "lora.r" and shape is not None:
        narrowest = min((min(li.in_features, li.out_features) for li in shape.linears), default=0)
        if narrowest and value > narrowest:
            raise Problem(
                f"{key} cannot be {value} for this model",
                why=f"its narrowest linear layer has {narrowest} features, and a matrix has no "
                "more directions than that",
                cure=f"--set {key}={min(64, narrowest)} is already much; past that, "
                "full fine-tuning is the honest choice",
            )


def _no_choice(key: str, word: str, spec: Spec) -> Problem:
    import difflib

    if isinstance(spec.default, str) and word and spec.default.startswith(word):
        near = [spec.default]
    else:
        near = difflib.get_close_matches(word, spec.choices, n=1)
    return Problem(
        f"{key} cannot be {word!r}",
        why=f"it is one of: {', '.join(spec.choices)}",
        cure=f"did you mean {near[0]!r}?" if near else "take one of these",
    )


_NO = object()
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")


def _null(value: Any) -> Any:
    none = value is None or (isinstance(value, str) and value.lower() in ("none", "null"))
    return None if none else _NO


def _bool(value: Any) -> Any:
    if isinstance(value, str) and value.lower() in _TRUE + _FALSE:
        return value.lower() in _TRUE
    return value if isinstance(value, bool) else _NO


def _int(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return int(value.replace("_", ""))
        except ValueError:
            return _NO
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else _NO


def _float(value: Any) -> Any:
    # A whole number stays one: 5 logging steps are not 5.0.
    whole = _NO if isinstance(value, float) else _int(value)
    if whole is not _NO:
        return whole
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return _NO
    return value if isinstance(value, float) else _NO


def _list(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, str):
        if value.startswith("["):
            found = _json(value)
            return found if isinstance(found, list) else _NO
        if "," in value:
            return [part.strip() for part in value.split(",") if part.strip()]
    return _NO


def _dict(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("{"):
        value = _json(value)
    return value if isinstance(value, dict) else _NO


def _str(value: Any) -> Any:
    return value if isinstance(value, str) else _NO


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return _NO


_READ = {
    "null": _null,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "list": _list,
    "dict": _dict,
    "str": _str,
}
_IN_WORDS = {
    "null": "none",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "list": "a list (a,b)",
    "dict": 'a JSON object ({"a": 1})',
    "str": "a text",
}
