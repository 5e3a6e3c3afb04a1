"""Fields of config.json that only some families have: experts, windows, latent attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.hardware.errors import Problem


class Facts:
    """Whole numbers and flags of a config, checked; 0 and None where there are none."""

    def __init__(self, raw: Mapping[str, Any], where: str) -> None:
        self.raw = raw
        self.where = where

    def number(self, *names: str) -> int:
        """The first of `names` that is there; Problem for what is no whole number."""
        for name in names:
            value = self.raw.get(name)
            if value is None or isinstance(value, list):
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 40:
                raise Problem(
                    f"{self.where} does not describe a decoder language model",
                    why=f"{name} is {str(value)[:80]!r}, not a whole number",
                    cure="check that the file is unmodified, or download it again",
                )
            return value
        return 0

    def flag(self, name: str) -> bool | None:
        """true or false, as config.json says it."""
        value = self.raw.get(name)
        return value if isinstance(value, bool) else None


def mixture_facts(facts: Facts, layers: int, intermediate: int) -> dict[str, Any]:
    """Fields of `ModelShape` for a mixture of experts, sliding windows and latent attention."""
    experts = facts.number("num_local_experts", "n_routed_experts", "num_experts")
    dense = facts.number("first_k_dense_replace") if experts else layers
    width = facts.number("moe_intermediate_size", "expert_intermediate_size") or intermediate
    latent = facts.number("kv_lora_rank")
    window, sliding = _sliding(facts, layers)
    found: dict[str, Any] = {
        "sliding_window": window,
        "sliding_layers": sliding,
        "latent_kv": latent + facts.number("qk_rope_head_dim") if latent else 0,
    }
    if experts:
        found |= {
            "experts": experts,
            "experts_per_token": facts.number("num_experts_per_tok", "experts_per_token") or 1,
            "expert_intermediate_size": width,
            "expert_layers": layers - dense,
        }
    return found


def _sliding(facts: Facts, layers: int) -> tuple[int | None, int]:
    """(window, layers that have it)."""
    window = facts.number("sliding_window")
    if not window or facts.flag("use_sliding_window") is False:
        return None, 0
    types = facts.raw.get("layer_types")
    if isinstance(types, list):
        return window, sum(1 for kind in types if kind == "sliding_attention")
    every = facts.number("sliding_window_pattern")
    return window, layers - layers // every if every else layers
