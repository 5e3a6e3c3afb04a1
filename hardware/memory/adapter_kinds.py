"""What each kind of adapter of peft 0.21 keeps for its backward pass, beside a frozen layer.

Counted by saved_tensors_hooks on a 16-bit linear layer with a float32 adapter, at two lengths and
three widths, leaving out what no live graph holds: `tests/hardware/test_adapter_kinds.py` counts
again. LoRA and DoRA depend on the precision as well: see `adapters`.
"""

from __future__ import annotations

import msgspec

from tunewright.hardware.errors import Problem
from tunewright.hardware.shapes import Linear


class Kind(msgspec.Struct, frozen=True):
    """Bytes that one adapted linear (width in, out; weights W = in x out; rank r) keeps.

    For each token: `per_in` x in, `per_out` x out, `per_rank` x r, `per_narrow` x min(in, out).
    `shares_input`: it keeps the layer's input as it is, once for all that take it. Whatever the
    batch: `weight` x W, `in_square` x in^2, `rank_in_square` x r x in^2, `narrow_square` x
    min(in, out)^2, `rank_square` x r^2, `rank_sides` x r x (in + out).
    """

    per_in: float = 0
    per_out: float = 0
    per_rank: float = 0
    per_narrow: float = 0
    shares_input: bool = False
    weight: float = 0
    in_square: float = 0
    rank_in_square: float = 0
    narrow_square: float = 0
    rank_square: float = 0
    rank_sides: float = 0

    def token_bytes(self, linear: Linear, rank: int) -> int:
        """Bytes a token, without a shared input."""
        narrow = min(linear.in_features, linear.out_features)
        return int(
            self.per_in * linear.in_features
            + self.per_out * linear.out_features
            + self.per_rank * rank
            + self.per_narrow * narrow
        )

    def fixed_bytes(self, linear: Linear, rank: int) -> int:
        """Bytes of one layer, whatever the batch."""
        wide, narrow = linear.in_features, min(linear.in_features, linear.out_features)
        return int(
            self.weight * wide * linear.out_features
            + (self.in_square + self.rank_in_square * rank) * wide * wide
            + self.narrow_square * narrow * narrow
            + self.rank_square * rank * rank
            + self.rank_sides * rank * (wide + linear.out_features)
        )


# Kinds that keep the input of a first small matrix, as LoRA does: their cast follows LoRA's.
LINEAR_IN_RANK = {"lora", "dora", "adalora"}

KINDS: dict[str, Kind] = {
    "lora": Kind(),
    "dora": Kind(per_out=6),
    "adalora": Kind(per_out=4),
    "boft": Kind(per_in=2, per_out=2, in_square=7.5),
    "c3a": Kind(per_in=4),
    "deft": Kind(per_in=4, per_out=4, per_rank=4),
    "delora": Kind(per_in=4, per_rank=8),
    "fourierft": Kind(per_in=4, weight=4.1),
    "frod": Kind(shares_input=True, in_square=2.4),
    "glora": Kind(shares_input=True, weight=2),
    "gralora": Kind(per_in=4, per_rank=8),
    "hira": Kind(per_in=4, weight=4),
    "hra": Kind(per_in=4, weight=8, in_square=4, rank_in_square=4),
    "ia3": Kind(per_out=2),
    "lily": Kind(per_in=4, per_rank=4, rank_sides=2),
    "loha": Kind(per_in=4, weight=4),
    "lokr": Kind(per_in=4, weight=4),
    "miss": Kind(per_rank=4),
    "miss-bat": Kind(per_in=4, weight=8),
    "oft": Kind(per_in=4, weight=0.2),
    "osf": Kind(per_in=4, per_narrow=4, weight=6),
    "peanut": Kind(per_in=4, weight=8.3),
    "psoft": Kind(per_rank=4, rank_square=36, rank_sides=4),
    "pvera": Kind(per_out=4, per_rank=16),
    "randlora": Kind(per_narrow=4, narrow_square=4),
    "road": Kind(per_out=8),
    "shira": Kind(shares_input=True, weight=4),
    "unilora": Kind(per_in=4, per_rank=1),
    "vblora": Kind(per_in=4, per_rank=4),
    "vera": Kind(per_out=4, per_rank=4),
    "waveft": Kind(per_in=4, weight=8.2),
    # Only vectors of the output's width, or of the rank.
    "beft": Kind(),
    "tinylora": Kind(),
    "adamss": Kind(),
}
# These change no linear layer: see `adapters`.
OTHER_KINDS = {
    "prompt_tuning", "p_tuning", "prefix_tuning", "adaption_prompt", "ln_tuning",
    "trainable_tokens", "llama_adapter", "llama_adapter_v2",
}  # fmt: skip


def kind_of(adapter: str) -> Kind:
    """The row of that peft_type in lower case; Problem for one that was not counted."""
    if adapter in OTHER_KINDS:
        return Kind()
    try:
        return KINDS[adapter]
    except KeyError:
        raise Problem(
            f"what adapters of the kind {adapter!r} keep was not counted",
            why="an estimate would be a guess",
            cure=f"take one of {', '.join(sorted(KINDS.keys() | OTHER_KINDS))}",
        ) from None
