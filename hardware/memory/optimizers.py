"""State that an optimizer keeps between steps, and what it makes during one."""

from __future__ import annotations

import msgspec

from tunewright.hardware.errors import Problem
from tunewright.hardware.shapes import Linear

# bitsandbytes keeps one float32 maximum per block of 256 values of an 8-bit state, and leaves
# states of small tensors in 32 bits.
_8BIT_BLOCK = 256


class Optimizer(msgspec.Struct, frozen=True):
    """`states` values for each trained one, of `state_bytes` each (None: the parameter's own
    size); `pageable` states live in memory that CUDA can move to the host; `step_copies` copies of
    the trained parameters exist during the step on CUDA."""

    states: int
    state_bytes: float | None = None
    pageable: bool = False
    step_copies: int = 0
    factored: bool = False


_8BIT = 1 + 4 / _8BIT_BLOCK

# Names of transformers' TrainingArguments.optim, from what each optimizer allocates in its state.
_OPTIMIZERS = {
    "adamw_torch": Optimizer(2, step_copies=1),  # torch's foreach path on CUDA: one list of updates
    "adamw_torch_fused": Optimizer(2),
    "adamw_8bit": Optimizer(2, _8BIT),
    "adamw_bnb_8bit": Optimizer(2, _8BIT),
    "adamw_torch_8bit": Optimizer(2, _8BIT),
    "adamw_torch_4bit": Optimizer(2, 0.5 + 4 / 128),
    "paged_adamw_32bit": Optimizer(2, 4, pageable=True),
    "paged_adamw_8bit": Optimizer(2, _8BIT, pageable=True),
    "adafactor": Optimizer(1, 4, step_copies=1, factored=True),
    "sgd": Optimizer(0),  # TrainingArguments gives no momentum
    "adagrad": Optimizer(1),
    "rmsprop": Optimizer(1),
    "rmsprop_bnb": Optimizer(1, 4),
    "rmsprop_bnb_8bit": Optimizer(1, _8BIT),
    "rmsprop_bnb_32bit": Optimizer(1, 4),
    "lion_32bit": Optimizer(1, 4),
    "lion_8bit": Optimizer(1, _8BIT),
    "paged_lion_32bit": Optimizer(1, 4, pageable=True),
    "paged_lion_8bit": Optimizer(1, _8BIT, pageable=True),
    "ademamix": Optimizer(3, 4),
    "ademamix_8bit": Optimizer(3, _8BIT),
    "paged_ademamix_32bit": Optimizer(3, 4, pageable=True),
    "paged_ademamix_8bit": Optimizer(3, _8BIT, pageable=True),
    "stable_adamw": Optimizer(2),
}


def optimizer_facts(name: str) -> Optimizer:
    """What an optimizer keeps; Problem for one whose memory is not known."""
    try:
        return _OPTIMIZERS[name]
    except KeyError:
        raise Problem(
            f"the memory of optimizer {name!r} is not known",
            why="an estimate would be a guess",
            cure=f"take one of {', '.join(sorted(_OPTIMIZERS))}",
        ) from None


def optimizer_bytes(
    optimizer: Optimizer, trained: int, trained_bytes: int, matrices: tuple[Linear, ...], rank: int
) -> int:
    """State of `trained` parameters of `trained_bytes` each; `matrices` are the layers that are
    trained, or the ones that adapters of `rank` sit on (factored states depend on their shapes)."""
    if not optimizer.factored:
        size = trained_bytes if optimizer.state_bytes is None else optimizer.state_bytes
        return int(trained * optimizer.states * size)
    # Adafactor (arXiv:1804.04235) keeps a row and a column of each matrix: in + out of a weight;
    # of the adapter pair (rank x in, out x rank) rank more on each side.
    sides = sum((m.in_features + m.out_features + 2 * rank) * m.count for m in matrices)
    return 4 * sides
