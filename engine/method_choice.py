"""Which method a plan takes, and why. Pure."""

from __future__ import annotations

from tunewright.engine.plan import (
    Alternative,
    Decision,
    MethodFit,
    told_fit,
)
from tunewright.engine.train.registry import method, methods


def choose_method(asked: str, fits: dict[str, MethodFit]) -> Decision:
    """The method, and why. LoRA first: it loses nothing measurable against full fine-tuning on
    small data sets (arXiv:2305.14314; arXiv:2405.09673 names limits) and needs the least care."""
    if asked != "auto":
        method(asked)
        return Decision(
            asked, f"asked for; it {told_fit(fits[asked])}", "method.asked", _others(asked, fits)
        )
    for wanted in ("fits", "tight"):
        for id in ("lora", "qlora"):
            if fits[id].verdict == wanted:
                return Decision(id, _because(id, fits), f"method.{id}-{wanted}", _others(id, fits))
    smallest = min(fits.values(), key=lambda fit: fit.estimate.expected_bytes)
    return Decision(
        smallest.method,
        f"nothing fits: even this, the smallest, {told_fit(smallest)}",
        "method.nothing-fits",
        _others(smallest.method, fits),
    )


def _because(id: str, fits: dict[str, MethodFit]) -> str:
    if id == "qlora" and fits["lora"].verdict != "fits":
        return f"LoRA on a 16-bit base {told_fit(fits['lora'])}; QLoRA {told_fit(fits['qlora'])}"
    return f"LoRA is the first choice where it fits, and it {told_fit(fits[id])}"


def _others(chosen: str, fits: dict[str, MethodFit]) -> tuple[Alternative, ...]:
    return tuple(
        Alternative(id, f"{methods()[id].trade_off}; {told_fit(fit)}")
        for id, fit in fits.items()
        if id != chosen
    )
