"""Rules that people and documents quote, in our words, on the rows that they have a mode for.

Each is asked only for what it is made for; `None` is no score. Packages that estimate are asked by
their own code, in `sizing_packages`.
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


def _zero2(case: Case) -> int | None:
    """DeepSpeed's estimate_zero2_model_states_mem_needs without offload: 4 bytes a parameter and 16
    more over the devices; model states only, which it says."""
    if case.setup is None or case.setup.trainable != "all":
        return None
    return case.shape.parameters * 4 + case.shape.parameters * 16 // case.setup.devices


PEERS = (
    Peer("quoted multipliers", "training", _quoted),
    Peer("LLaMA-Factory's table", "training on one GPU", _llama_factory),
    Peer("DeepSpeed estimate_zero2", "states of full fine-tuning", _zero2),
)
