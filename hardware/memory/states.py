"""Bytes that stay through a training step: weights, adapters, gradients, optimizer state."""

from __future__ import annotations

import math

import msgspec

from tunewright.hardware.errors import Problem
from tunewright.hardware.shapes import Linear, ModelShape

# bitsandbytes nf4, doubly quantised: 4 bits a weight; one 8-bit scale per 64 of them; one float32
# per 256 scales (QLoRA, arXiv:2305.14314, section 3: 0.127 bits a weight for the constants).
_NF4_BLOCK = 64
_NF4_SCALES_PER_CONSTANT = 256

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


def adapted_linears(shape: ModelShape, target_modules: str | tuple[str, ...]) -> tuple[Linear, ...]:
    """The linear layers that LoRA targets: "all-linear", or exact last names as peft matches them.

    Problem for a name that the model does not have (peft fails so too, after loading it).
    """
    if target_modules == "all-linear":
        return shape.linears
    names = (target_modules,) if isinstance(target_modules, str) else target_modules
    whole = {
        "lm_head": Linear("lm_head", shape.hidden_size, shape.vocab_size, 1),
        "embed_tokens": Linear("embed_tokens", shape.vocab_size, shape.hidden_size, 1),
    }
    found: list[Linear] = []
    for name in dict.fromkeys(names):
        hits = [linear for linear in shape.linears if linear.name == name]
        if not hits and name in whole:
            hits = [whole[name]]
        if not hits:
            raise Problem(
                f"target_modules names {name!r}, which this model does not have",
                why="its linear layers are "
                + ", ".join(dict.fromkeys(linear.name for linear in shape.linears)),
                cure='name some of these, or "all-linear"',
            )
        found += hits
    return tuple(found)


def trainable_parameters(
    shape: ModelShape, rank: int, target_modules: str | tuple[str, ...] = "all-linear"
) -> int:
    """Parameters of LoRA adapters: rank x (in + out) for each targeted layer (A and B of
    arXiv:2106.09685, no bias). Exact for what peft adds by the same names."""
    return sum(
        rank * (linear.in_features + linear.out_features) * linear.count
        for linear in adapted_linears(shape, target_modules)
    )


def linear_parameters(shape: ModelShape) -> int:
    """Weights of the decoder's linear layers."""
    return sum(linear.in_features * linear.out_features * linear.count for linear in shape.linears)


def nf4_bytes(parameters: int) -> int:
    """Bytes of weights in nf4 with double quantisation."""
    scales = math.ceil(parameters / _NF4_BLOCK)
    return math.ceil(parameters / 2) + scales + 4 * math.ceil(scales / _NF4_SCALES_PER_CONSTANT)


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
