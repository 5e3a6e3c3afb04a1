"""Other estimators on the same rows: their published rules in our words, where they have a mode.

Each is asked only for what it is made for; `None` is no score. The rules are those of the versions
named; where a tool is a package that runs offline, its own code is run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sizing_rows import Case


class Peer(NamedTuple):
    """`predict` gives bytes, or None where the peer has no mode for the case."""

    name: str
    mode: str
    predict: Callable[[Case], int | None]


def _is_training(case: Case) -> bool:
    return case.setup is not None


def _accelerate(case: Case) -> int | None:
    """accelerate estimate-memory 1.x: parameters at the dtype, times four for Adam."""
    if case.setup is None or case.setup.trainable != "all":
        return None
    return 4 * case.shape.parameters * (4 if case.setup.weights == "float32" else 2)


def _accelerate_inference(case: Case) -> int | None:
    """accelerate estimate-memory 1.x: "total size" at the dtype; 4 and 8 bits are a quarter and a
    half of 16 bits over all parameters."""
    if case.setup is not None or case.row["method"] != "infer":
        return None
    dtype = case.row["weight_dtype"] or "bf16"
    if dtype == "bf16":
        return 2 * case.shape.parameters
    if dtype.startswith("nf4"):
        return case.shape.parameters // 2
    return None


def _quoted(case: Case) -> int | None:
    """The multipliers that people quote: bytes a parameter for full 16-bit AdamW (16), LoRA on 16
    bits (2) and on 4 bits (0.5), plus a fifth."""
    if case.setup is None:
        return None
    full = case.setup.trainable == "all"
    four = case.setup.weights in ("nf4", "gptq4", "awq4")
    each = 16 if full else 0.5 if four else 1 if case.setup.weights == "gptq8" else 2
    return int(case.shape.parameters * each * (1 if full else 1.2) / case.setup.devices)


def _llama_factory(case: Case) -> int | None:
    """LLaMA-Factory's table of hardware requirements, GB a billion parameters: full bf16 or fp16
    18, pure bf16 8, LoRA 2, QLoRA 8-bit 1.2, 4-bit 0.6 (its README, 0.9: 7B to 70B)."""
    if case.setup is None or case.setup.devices > 1:
        return None
    if case.setup.trainable == "all":
        each = 8.0 if case.setup.weights == "bfloat16" else 18.0
    else:
        each = {"nf4": 0.6, "gptq4": 0.6, "awq4": 0.6, "gptq8": 1.2, "int8": 1.2}.get(
            case.setup.weights, 2.0
        )
    return int(case.shape.parameters / 1e9 * each * 1e9)


def _hf_mem(case: Case) -> int | None:
    """hf-mem: the bytes of the safetensors files, and for a context the KV cache in 16 bits."""
    if case.setup is not None or (case.row["weight_dtype"] or "bf16") != "bf16":
        return None
    if case.row["method"] != "infer" or case.row["family"].startswith("litgpt"):
        return None
    shape = case.shape
    heads = shape.num_key_value_heads * shape.head_dim
    cache = 4 * shape.num_hidden_layers * heads * (case.row["seq_len"] or 0)
    return 2 * shape.parameters + cache


def _zero2(case: Case) -> int | None:
    """DeepSpeed's estimate_zero2_model_states_mem_needs without offload: 4 bytes a parameter and 16
    more over the devices; model states only, which it says."""
    if case.setup is None or case.setup.trainable != "all":
        return None
    return case.shape.parameters * 4 + case.shape.parameters * 16 // case.setup.devices


PEERS = (
    Peer("accelerate estimate-memory, Adam", "full fine-tuning", _accelerate),
    Peer("accelerate estimate-memory", "inference", _accelerate_inference),
    Peer("quoted multipliers", "training", _quoted),
    Peer("LLaMA-Factory's table", "training on one GPU", _llama_factory),
    Peer("DeepSpeed estimate_zero2", "states of full fine-tuning", _zero2),
    Peer("hf-mem", "inference in 16 bits", _hf_mem),
)
