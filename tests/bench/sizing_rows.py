"""A published memory figure as the input of the estimator: which library versions, which settings.

What a row leaves open is read off its source where that says it, else the row is unclear and gives
no score. No figure of a row is used here but the one it is compared with.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.estimate import Measure, TrainingSetup
from tunewright.hardware.model_catalogue import shape_of
from tunewright.hardware.shapes import ModelShape

GIB = 1 << 30

MODELS = {
    "llama3-8b": "meta-llama/Llama-3.1-8B",
    "llama3.1-8b": "meta-llama/Llama-3.1-8B",
    "llama3-70b": "meta-llama/Llama-3.1-70B",
    "llama3.1-70b": "meta-llama/Llama-3.1-70B",
    "llama3.3-70b": "meta-llama/Llama-3.1-70B",
    "llama3.1-405b": "meta-llama/Llama-3.1-405B",
    "llama3.2-1b": "meta-llama/Llama-3.2-1B",
    "llama3.2-3b": "meta-llama/Llama-3.2-3B",
    "llama2-7b": "meta-llama/Llama-2-7b-hf",
    "llama2-13b": "meta-llama/Llama-2-13b-hf",
    "llama2-70b": "meta-llama/Llama-2-70b-hf",
    "codellama-34b": "codellama/CodeLlama-34b-hf",
    "mistral-7b": "mistralai/Mistral-7B-v0.1",
    "mistral-7b-ob": "mistralai/Mistral-7B-v0.1",
    "mixtral-8x7b": "mistralai/Mixtral-8x7B-v0.1",
    "tinyllama-1.1b": "TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T",
    "qwen-1.8b": "Qwen/Qwen-1_8B",
    "qwen-7b": "Qwen/Qwen-7B",
    "qwen-14b": "Qwen/Qwen-14B",
    "qwen-72b": "Qwen/Qwen-72B",
    "yi-6b": "01-ai/Yi-6B",
    "yi-34b": "01-ai/Yi-34B",
    "baichuan2-7b": "baichuan-inc/Baichuan2-7B-Base",
    "baichuan2-13b": "baichuan-inc/Baichuan2-13B-Base",
    "chatglm3-6b": "zai-org/chatglm3-6b",
    "phi-1.5": "microsoft/phi-1_5",
    "phi-2": "microsoft/phi-2",
    "phi-3-mini": "microsoft/Phi-3-mini-4k-instruct",
    "stablelm-alpha-3b": "stabilityai/stablelm-base-alpha-3b",
    "falcon-7b": "tiiuae/falcon-7b",
    "falcon-40b": "tiiuae/falcon-40b",
    "gemma-2b": "google/gemma-2b",
    "gemma-7b": "google/gemma-7b",
    "gemma2-2b": "google/gemma-2-2b",
    "gemma2-9b": "google/gemma-2-9b",
    "gemma2-27b": "google/gemma-2-27b",
    "smollm2-135m": "HuggingFaceTB/SmolLM2-135M",
    "smollm2-360m": "HuggingFaceTB/SmolLM2-360M",
    "smollm2-1.7b": "HuggingFaceTB/SmolLM2-1.7B",
    **{f"qwen2.5-{n.lower()}": f"Qwen/Qwen2.5-{n}" for n in
       ("0.5B", "1.5B", "3B", "7B", "14B", "32B", "72B")},
    **{f"qwen3-{n.lower()}": f"Qwen/Qwen3-{n}" for n in
       ("0.6B", "1.7B", "4B", "8B", "14B", "32B")},
}  # fmt: skip

_FIELDS = (
    "id", "family", "model", "method", "rank", "targets", "weight_dtype", "optimizer",
    "micro_batch", "seq_len", "grad_ckpt", "attn", "packing_loss_kernel", "n_gpus", "sharding",
    "measured_gib", "what_is_measured", "kind", "notes", "extra",
)  # fmt: skip
WEIGHTS = {
    "bf16": "bfloat16", "fp16": "float16", "fp32": "float32", "nf4": "nf4", "nf4-dq": "nf4",
    "int4-(bnb)": "nf4", "int8-(bnb)": "int8", "int8": "int8", "fp8": "fp8",
    "gptq-int4": "gptq4", "int4-(gptq)": "gptq4", "gptq-int8": "gptq8", "int8-(gptq)": "gptq8",
    "awq-int4": "awq4", "awq": "awq4",
}  # fmt: skip
STACK_OF_FAMILY = {
    "peft": "peft-loop", "litgpt-res": "litgpt-2023", "litgpt-cfg": "litgpt",
    "qwen1": "transformers-4.3x", "ms-swift": "ms-swift-1",
}  # fmt: skip
# Alpaca tokenised for Llama 2: its longest row, which sets the peak of an unpacked run. The litgpt
# rows of the same data say so.
ALPACA_LONGEST = 1304


class Case(NamedTuple):
    """One row that can be estimated: `measured` bytes, what kind of figure, and its input."""

    row: dict[str, Any]
    shape: ModelShape
    measured: int
    measure: Measure
    setup: TrainingSetup | None


class Unclear(Exception):
    """The row does not say enough, or something that no estimate is for."""


def case_of(row: dict[str, Any]) -> Case:
    """The estimator's input for a row; Unclear with the reason."""
    missing = [name for name in _FIELDS if name not in row]
    if missing or not row["measured_gib"]:
        raise Unclear(f"the row has no {', '.join(missing) or 'measured_gib'}")
    try:
        shape = shape_of(MODELS.get(row["model"], row["model"]))
    except Problem as problem:
        raise Unclear(problem.what) from problem
    measured = int(row["measured_gib"] * GIB)
    if row["kind"] == "serve":
        return Case(row, shape, measured, _measure(row), None)
    return Case(row, shape, measured, _measure(row), _training(row, shape))


def _measure(row: dict[str, Any]) -> Measure:
    said = row["what_is_measured"]
    if "reserved" in said:
        return "reserved"
    if any(word in said for word in ("allocated", "torch", "active", "weights+")):
        return "allocated"
    return "device"


def _training(row: dict[str, Any], shape: ModelShape) -> TrainingSetup:
    extra, method = row["extra"], row["method"]
    stack = _stack(row)
    weights = WEIGHTS.get((row["weight_dtype"] or "bf16").split(" ")[0].lower())
    if weights is None:
        raise Unclear(f"weights in {row['weight_dtype']}")
    seq = extra.get("seq_eff") or row["seq_len"]
    if seq is None:
        if "alpaca" not in row["notes"]:
            raise Unclear("the length of the rows is not said")
        seq = ALPACA_LONGEST
    full = method == "full"
    if full and weights not in ("bfloat16", "float16", "float32"):
        raise Unclear(f"{row['weight_dtype']} weights trained in full")
    adapter, targets, rank = _adapter(row, shape)
    saved = tuple(name for name in targets if name in ("lm_head", "embed_tokens"))
    sharding, offload = _sharding(row)
    bases = {
        "device": "cuda",
        "weights": weights,
        "trainable": "all" if full else "lora",
        "optimizer": _optimizer(row),
        "micro_batch": row["micro_batch"] or 1,
        "seq_len": seq,
        "gradient_checkpointing": bool(row["grad_ckpt"]),
        "rank": 0 if full else rank,
        "target_modules": () if full else tuple(t for t in targets if t not in saved),
        "adapter_bytes": 2 if extra.get("adapter_dtype") == "bf16" else 4,
        "adapter": adapter,
        "double_quant": row["weight_dtype"] not in ("nf4", "int4-(bnb)"),
        "lora_dropout": stack
        in (
            "litgpt",
            "litgpt-2023",
            "transformers-4.3x",
            "ms-swift-1",
        ),
        "loss_kernel": _loss_kernel(row, stack),
        "gradient_accumulation": stack
        in (
            "litgpt",
            "litgpt-2023",
            "transformers-4.3x",
            "ms-swift-1",
        ),
        "attention": _attention(row),
        "checkpointing": _checkpointing(row),
        "sharding": sharding,
        "offload": offload,
        "devices": row["n_gpus"] or 1,
        "compiled": "compile" in (row["packing_loss_kernel"] or ""),
        "packed": False,
        # finetune.py pads each row to model_max_length; its DeepSpeed file names 2e8.
        "even_rows": row["family"] == "qwen1",
        "reduce_bucket": 200_000_000 if row["family"] == "qwen1" else None,
        "optimizer_in_backward": bool(extra.get("optim_in_bwd")),
        "stack": stack,
    }
    if method == "lora+emb":
        bases["modules_to_save"] = ("lm_head", "embed_tokens")
    if extra.get("ntrain") and adapter != "lora" and not full:
        bases["adapter_parameters"] = extra["ntrain"]
    return msgspec.convert(bases, TrainingSetup)


def _stack(row: dict[str, Any]) -> str:
    family = row["family"]
    if family in STACK_OF_FAMILY:
        return STACK_OF_FAMILY[family]
    if family.startswith("litgpt"):
        return "litgpt"
    if family.startswith("torchtune"):
        compiled = "compile" in (row["packing_loss_kernel"] or "")
        return "torchtune-0.5" if compiled else "torchtune-0.2"
    loss = row["extra"].get("loss")
    if loss == "hf_old":
        return "transformers-4.3x"
    return "trl-1.16" if row["extra"].get("amp") else "peft-loop"


def _adapter(row: dict[str, Any], shape: ModelShape) -> tuple[str, tuple[str, ...], int]:
    """(kind, module names as the shape has them, rank)."""
    method = row["method"]
    if method == "full":
        return "lora", (), 0
    kind = "lora"
    if method.startswith("peft:"):
        kind = method.removeprefix("peft:")
        name = str(row["extra"].get("name", ""))
        if kind in ("miss", "bone") and "bat" in name.rpartition("3B")[2]:
            kind = "miss-bat"
        kind = {"bone": "miss"}.get(kind, kind)
    elif row["extra"].get("dora"):
        kind = "dora"
    elif method.startswith("adapter"):
        return f"llama_{method}", (), 0
    targets = row["targets"] or ["q", "v"]
    named = targets if isinstance(targets, list) else [targets]
    return kind, _modules(named, shape), row["rank"] or 8


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
    groups = {"mlp": ["gate", "up", "down"], "attn": ["q", "k", "v", "o"]}
    for name in named:
        if name in ("all", "all-linear"):
            found += have
            continue
        parts = groups.get(name, [name])
        for part in parts:
            for way in ways.get(part, (part,)):
                wanted = way.split("+")
                if way == "lm_head" or all(one in have for one in wanted):
                    found += wanted
                    break
    return tuple(dict.fromkeys(found))


def _optimizer(row: dict[str, Any]) -> str:
    said = (row["optimizer"] or "adamw").lower()
    for word, name in (
        ("paged", "paged_adamw_8bit"), ("8bit", "adamw_8bit"), ("8-bit", "adamw_8bit"),
        ("sgd", "sgd"), ("adafactor", "adafactor"), ("lion", "lion_32bit"),
        ("fused", "adamw_torch_fused"),
    ):  # fmt: skip
        if word in said:
            return name
    return "adamw_torch"


def _loss_kernel(row: dict[str, Any], stack: str) -> str:
    loss = row["extra"].get("loss")
    if loss in ("cce", "liger", "fused"):
        return "fused"
    return "chunked" if loss in ("litgpt", "chunk") else "plain"


def _attention(row: dict[str, Any]) -> str:
    said = (row["attn"] or "sdpa").lower()
    if "eager" in said:
        return "eager"
    return "flash" if said.startswith("flash") else "sdpa"


def _checkpointing(row: dict[str, Any]) -> str:
    if row["extra"].get("offload_act") or row["grad_ckpt"] == "offloaded":
        return "offloaded"
    return "selective" if "selective" in str(row["grad_ckpt"]) else "full"


def _sharding(row: dict[str, Any]) -> tuple[str, str]:
    said = row["sharding"] or ""
    if said.endswith("?"):
        raise Unclear(f"sharding is given as {said}")
    kind, _, rest = said.partition("+")
    kind = {"": "none", "fsdp2": "fsdp"}.get(kind, kind)
    offload = "all" if "offload" in rest and kind in ("fsdp", "zero3") else "none"
    if offload == "none" and "offload" in rest:
        offload = "optimizer"
    if row["family"] == "qwen1" and row["method"] == "qlora" and kind == "none":
        kind = "zero2"  # its Q-LoRA script runs DeepSpeed's stage 2 on one GPU
    return kind, offload
