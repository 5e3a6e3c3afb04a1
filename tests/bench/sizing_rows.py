"""A published memory figure as the input of the estimator: which library versions, which settings.

What a row leaves open is read off its source where that says it, else the row is unclear and gives
no score. No figure of a row is used here but the one it is compared with.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec
from sizing_names import model_named, optimizer_named, storage_named

from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.estimate import Measure, TrainingSetup
from tunewright.hardware.shapes import ModelShape

GIB = 1 << 30

_WHOLE = (
    "id", "family", "source", "model", "method", "rank", "targets", "weight_dtype", "optimizer",
    "micro_batch", "seq_len", "grad_ckpt", "attn", "packing_loss_kernel", "n_gpus", "sharding",
    "measured_gib", "what_is_measured", "kind", "notes", "quality",
)  # fmt: skip
STACK_OF_FAMILY = {
    "peft": "peft-loop", "litgpt-res": "litgpt-2023", "litgpt-cfg": "litgpt",
    "qwen1": "transformers-4.3x", "ms-swift": "ms-swift-1",
}  # fmt: skip
# Alpaca tokenised for Llama 2: its longest row, which sets the peak of an unpacked run. The litgpt
# rows of the same data say so.
ALPACA_LONGEST = 1304


class Case(NamedTuple):
    """One row that can be estimated: `measured` bytes, what kind of figure, its input, and what the
    row left open and was taken for (`assumed`, in words)."""

    row: dict[str, Any]
    shape: ModelShape
    measured: int
    measure: Measure
    setup: TrainingSetup | None
    assumed: tuple[str, ...] = ()


class Unclear(Exception):
    """The row does not say enough, or something that no estimate is for."""


def whole_row(row: dict[str, Any]) -> dict[str, Any]:
    """The row with every field, None where it had none; numbers that are text are numbers."""
    found = {name: row.get(name) for name in _WHOLE}
    found["extra"] = row.get("extra") if isinstance(row.get("extra"), dict) else {}
    for name in ("family", "source", "what_is_measured", "notes", "method"):
        found[name] = str(found[name] or "")
    found["method"] = found["method"].casefold()
    for name in ("rank", "micro_batch", "seq_len", "n_gpus"):
        found[name] = _number(found[name])
    for name in ("weight_dtype", "optimizer", "attn", "packing_loss_kernel", "sharding"):
        value = found[name]
        found[name] = None if value is None else str(value)
    if not found["kind"]:
        found["kind"] = "serve" if found["method"] in ("infer", "serve", "kv") else "train"
    return found


def _number(said: Any) -> int | None:
    """A whole number of at least one as rows write it: 2048, "2048", "2k", 2.0; else None."""
    if isinstance(said, str):
        text = said.casefold().replace(",", "").replace(" ", "")
        text, times = (text[:-1], 1024) if text.endswith("k") else (text, 1)
        try:
            said = float(text) * times
        except ValueError:
            return None
    if isinstance(said, bool) or not isinstance(said, int | float) or not 1 <= said < 1 << 40:
        return None
    return int(said)


def case_of(row: dict[str, Any]) -> Case:
    """The estimator's input for a row of any age and source; Unclear with the reason where the
    model, the measured figure or the length of the rows is missing or cannot be understood."""
    row = whole_row(row)
    measured = row["measured_gib"]
    if isinstance(measured, bool) or not isinstance(measured, int | float) or not measured > 0:
        raise Unclear("the row has no measured_gib")
    try:
        shape = model_named(str(row["model"]))
    except Problem as problem:
        raise Unclear(problem.what) from problem
    size = int(measured * GIB)
    if row["kind"] == "serve":
        return Case(row, shape, size, _measure(row), None)
    assumed: list[str] = []
    setup = _training(row, shape, assumed)
    return Case(row, shape, size, _measure(row), setup, tuple(assumed))


def _measure(row: dict[str, Any]) -> Measure:
    said = row["what_is_measured"]
    if "reserved" in said:
        return "reserved"
    if any(word in said for word in ("allocated", "torch", "active", "weights+")):
        return "allocated"
    return "device"


def _training(row: dict[str, Any], shape: ModelShape, assumed: list[str]) -> TrainingSetup:
    extra, method = row["extra"], row["method"]
    stack = _stack(row, assumed)
    weights = storage_named(row["weight_dtype"])
    if weights is None:
        raise Unclear(f"weights in {row['weight_dtype']}")
    if row["weight_dtype"] is None:
        weights = "nf4" if "qlora" in method else "bfloat16"
        assumed.append(f"weights in {weights}")
    seq = _number(extra.get("seq_eff")) or row["seq_len"]
    if seq is None:
        if "alpaca" not in row["notes"].casefold():
            raise Unclear("the length of the rows is not said")
        seq = ALPACA_LONGEST
    full = _is_full(method)
    if full and weights not in ("bfloat16", "float16", "float32"):
        raise Unclear(f"{row['weight_dtype']} weights trained in full")
    adapter, targets, rank = _adapter(row, shape, assumed)
    saved = tuple(name for name in targets if name in ("lm_head", "embed_tokens"))
    sharding, offload = _sharding(row)
    said = _said(row)
    padded = row["family"] == "qwen1"
    if row["micro_batch"] is None:
        assumed.append("a micro-batch of one row")
    of_2023 = stack in ("litgpt", "litgpt-2023", "transformers-4.3x", "ms-swift-1")
    bases = {
        "device": "cuda",
        "weights": weights,
        "trainable": "all" if full else "lora",
        "optimizer": optimizer_named(row["optimizer"]),
        "micro_batch": row["micro_batch"] or 1,
        "seq_len": seq,
        "gradient_checkpointing": _checkpointed(row, said, assumed),
        "rank": 0 if full else rank,
        "target_modules": () if full else tuple(t for t in targets if t not in saved),
        "adapter_bytes": 2 if extra.get("adapter_dtype") == "bf16" else 4,
        "adapter": adapter,
        "double_quant": row["weight_dtype"] not in ("nf4", "int4-(bnb)"),
        "lora_dropout": of_2023,
        "loss_kernel": _loss_kernel(row, said),
        "gradient_accumulation": of_2023,
        "attention": _attention(row),
        "checkpointing": _checkpointing(row, said),
        "sharding": sharding,
        "offload": offload,
        "devices": row["n_gpus"] or 1,
        "compiled": "compile" in (row["packing_loss_kernel"] or ""),
        "packed": False,
        # finetune.py pads each row to model_max_length; its DeepSpeed file names 2e8.
        "even_rows": padded,
        "reduce_bucket": 200_000_000 if padded else None,
        "optimizer_in_backward": bool(extra.get("optim_in_bwd")) or "lomo" in said,
        "trainer": next((name for name in _TRAINERS if name in method), "sft"),
        "stack": stack,
    }
    if method == "lora+emb":
        bases["modules_to_save"] = ("lm_head", "embed_tokens")
    trained = _number(extra.get("ntrain"))
    if trained and adapter != "lora" and not full:
        bases["adapter_parameters"] = trained
    return msgspec.convert(bases, TrainingSetup)


_TRAINERS = ("dpo", "orpo", "kto", "ppo", "grpo", "rloo", "reward")
# Methods that train every weight; GaLore's projected states are not counted, and Adam's are.
_FULL = ("full", "fft", "pretrain", "galore", "lomo", "badam", "apollo")


def _is_full(method: str) -> bool:
    words = set(method.replace("+", " ").replace("-", " ").replace(":", " ").split())
    lora = any(word in method for word in ("lora", "peft:", "adapter", "dora"))
    return not lora and (bool(words & set(_FULL)) or not words or words <= {*_TRAINERS, "sft"})


def _said(row: dict[str, Any]) -> str:
    """All words of a row that name a framework or a kernel."""
    extra = row["extra"]
    parts = (row["family"], row["source"], row["method"], row["optimizer"], extra.get("framework"),
             row["packing_loss_kernel"], extra.get("loss"))  # fmt: skip
    return " ".join(str(part) for part in parts if part).casefold()


def _stack(row: dict[str, Any], assumed: list[str]) -> str:
    family, said = row["family"], _said(row)
    if family in STACK_OF_FAMILY:
        return STACK_OF_FAMILY[family]
    if family.startswith("litgpt") or "lit-gpt" in said or "litgpt" in said:
        return "litgpt"
    if "torchtune" in said:
        compiled = "compile" in (row["packing_loss_kernel"] or "")
        return "torchtune-0.5" if compiled else "torchtune-0.2"
    extra = row["extra"]
    if extra.get("loss") == "hf_old":
        found = "transformers-4.4x"
    elif extra.get("loss") == "hf" and not extra.get("amp"):
        found = "peft-loop"
    else:
        found = "trl-1.16"
    assumed.append(f"{family or 'no framework named'}: the step of {found}")
    return found


def _adapter(
    row: dict[str, Any], shape: ModelShape, assumed: list[str]
) -> tuple[str, tuple[str, ...], int]:
    """(kind, module names as the shape has them, rank)."""
    method = row["method"]
    if _is_full(method):
        return "lora", (), 0
    kind = "lora"
    if method.startswith("peft:"):
        kind = method.removeprefix("peft:")
        name = str(row["extra"].get("name", ""))
        if kind in ("miss", "bone") and "bat" in name.rpartition("3B")[2]:
            kind = "miss-bat"
        kind = {"bone": "miss"}.get(kind, kind)
    elif row["extra"].get("dora") or "dora" in method:
        kind = "dora"
    elif method.startswith("adapter"):
        return f"llama_{method}", (), 0
    if not row["rank"]:
        assumed.append("rank 8")
    targets = row["targets"] or ["q", "v"]
    if not row["targets"]:
        assumed.append("adapters on q and v, peft's default")
    named = targets if isinstance(targets, list) else re.split(r"[,\s]+", str(targets))
    found = _modules([str(name) for name in named], shape)
    if not found:
        assumed.append("adapters on all linear layers")
        found = tuple(dict.fromkeys(linear.name for linear in shape.linears))
    return kind, found, row["rank"] or 8


def _modules(named: list[str], shape: ModelShape) -> tuple[str, ...]:
    have = [linear.name for linear in shape.linears]
    ways = {
        "q": ("q_proj", "query_key_value", "c_attn", "W_pack", "qkv_proj"),
        "k": ("k_proj", "query_key_value", "c_attn", "W_pack", "qkv_proj"),
        "v": ("v_proj", "query_key_value", "c_attn", "W_pack", "qkv_proj"),
        "qkv": ("query_key_value", "c_attn", "W_pack", "qkv_proj", "q_proj+k_proj+v_proj"),
        "o": ("o_proj", "dense", "attn_out"),
        "gate": ("gate_proj", "w2", "gate_up_proj", "dense_h_to_4h", "fc1"),
        "up": ("up_proj", "w1", "gate_up_proj", "dense_h_to_4h", "fc1"),
        "down": ("down_proj", "dense_4h_to_h", "fc2"),
        "head": ("lm_head",),
    }
    found: list[str] = []
    for name in named:
        # "qv" and the like: a letter for each projection.
        groups = {
            "mlp": ["gate", "up", "down"], "attn": ["q", "k", "v", "o"], "qkv": ["qkv"],
            "attention": ["q", "k", "v", "o"], "letters": list(name),
        }  # fmt: skip
        if name in ("all", "all-linear", "linear", "all_linear"):
            found += have
            continue
        parts = groups.get(name) or groups.get("letters" if set(name) <= set("qkvo") else "")
        parts = parts or [name.removesuffix("_proj")]
        for part in parts:
            for way in ways.get(part, (part,)):
                wanted = way.split("+")
                whole = way in ("lm_head", "embed_tokens")
                if whole or all(one in have for one in wanted):
                    found += wanted
                    break
    return tuple(dict.fromkeys(found))


def _loss_kernel(row: dict[str, Any], said: str) -> str:
    loss = row["extra"].get("loss")
    kernels = ("liger", "cut cross", "cut_cross", "unsloth", "fused ce", "fused cross", "flce")
    if loss in ("cce", "liger", "fused") or any(word in said for word in kernels):
        return "fused"
    return "chunked" if loss in ("litgpt", "chunk") or "chunked" in said else "plain"


def _attention(row: dict[str, Any]) -> str:
    said = (row["attn"] or "sdpa").lower()
    if "eager" in said:
        return "eager"
    return "flash" if said.startswith("flash") else "sdpa"


def _checkpointed(row: dict[str, Any], said: str, assumed: list[str]) -> bool:
    value = row["grad_ckpt"]
    if value is None:
        # These switch it on where nobody asks.
        on = any(word in said for word in ("unsloth", "axolotl", "factory", "swift"))
        assumed.append(f"checkpointing {'on' if on else 'off'}")
        return on
    return str(value).casefold() not in ("false", "no", "off", "none", "0", "")


def _checkpointing(row: dict[str, Any], said: str) -> str:
    value = str(row["grad_ckpt"]).casefold()
    offloaded = "offload" in value or value == "unsloth"
    if row["extra"].get("offload_act") or offloaded or (value == "none" and "unsloth" in said):
        return "offloaded"
    return "selective" if "selective" in value else "full"


_SHARDINGS = {
    "": "none", "single": "none", "no": "none", "fsdp2": "fsdp", "fsdp1": "fsdp", "hsdp": "fsdp",
    "dp": "ddp", "stage1": "zero1", "stage2": "zero2", "stage3": "zero3", "deepspeed": "zero2",
}  # fmt: skip


def _sharding(row: dict[str, Any]) -> tuple[str, str]:
    said = (row["sharding"] or "").casefold().replace("-", "").replace(" ", "")
    if said.endswith("?"):
        raise Unclear(f"sharding is given as {said}")
    kind, _, rest = said.replace("deepspeedzero", "zero").partition("+")
    kind = _SHARDINGS.get(kind, kind)
    if kind not in ("none", "ddp", "zero1", "zero2", "zero3", "fsdp"):
        raise Unclear(f"sharding {row['sharding']}, which no estimate is for")
    offload = "all" if "offload" in rest and kind in ("fsdp", "zero3") else "none"
    if offload == "none" and "offload" in rest:
        offload = "optimizer"
    if row["family"] == "qwen1" and row["method"] == "qlora" and kind == "none":
        kind = "zero2"  # its Q-LoRA script runs DeepSpeed's stage 2 on one GPU
    if kind in ("zero3", "fsdp") and row["weight_dtype"] and "gptq" in row["weight_dtype"]:
        raise Unclear("GPTQ weights shared over devices")
    return kind, offload
