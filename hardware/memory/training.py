"""The peak memory of one training step in closed form: `estimate_training`.

The tensors are counted (`tensors`), laid out over the moments of the step that can be its highest
(`moments`), and the highest is told as line items (`step_items`) with what a process holds besides
(`overheads`). Nothing is fitted to published figures, except what torch cannot tell: the CUDA
context, fragmentation, and the size of libraries.
"""

from __future__ import annotations

import msgspec

from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.adapter_kinds import kind_of
from tunewright.hardware.memory.adapters import adapted_linears, virtual_tokens
from tunewright.hardware.memory.estimate import MemoryEstimate, TrainingSetup
from tunewright.hardware.memory.layers import precision_of
from tunewright.hardware.memory.moments import moments_of, stranded_bytes
from tunewright.hardware.memory.overheads import with_overheads
from tunewright.hardware.memory.stacks import stack_of
from tunewright.hardware.memory.step_items import items_of
from tunewright.hardware.memory.storage import PLAIN_BYTES
from tunewright.hardware.memory.tensors import sizes_of
from tunewright.hardware.memory.trained import trained_by
from tunewright.hardware.memory.trainers import rows_of
from tunewright.hardware.shapes import ModelShape


def estimate_training(shape: ModelShape, setup: TrainingSetup) -> MemoryEstimate:
    """Predict the peak of one training process on its device, in bytes.

    On "cuda": what NVML shows for the process (context included), and torch's own two figures
    beside it. On "cpu": its peak resident size. `safe_bytes` is the bound to plan with. Problem for
    target modules that the model lacks, an optimizer whose state is not known, a rank above the
    width, or a batch below one token.
    """
    stack = stack_of(setup.stack)
    _check(shape, setup)
    if setup.adapter in ("prompt_tuning", "p_tuning"):
        longer = setup.seq_len + virtual_tokens(shape, setup)
        setup = msgspec.structs.replace(setup, seq_len=longer)
    precision = precision_of(setup, stack)
    rows = rows_of(setup)
    working = (
        msgspec.structs.replace(setup, micro_batch=rows) if rows > setup.micro_batch else setup
    )
    trained = trained_by(shape, setup)
    sizes = sizes_of(shape, working, stack, precision, trained)
    moments = moments_of(working, sizes)
    peak = max(moments, key=lambda moment: moment.bytes)
    items = items_of(shape, working, sizes, peak, trained)
    stranded = stranded_bytes(moments, peak, sizes)
    return with_overheads(shape, working, stack, items, sizes.states.host, stranded)


def check_batch(micro_batch: int, seq_len: int) -> None:
    """A `Problem` for a batch without a token."""
    if micro_batch < 1 or seq_len < 1:
        raise Problem(
            f"a batch of {micro_batch} rows of {seq_len} tokens cannot be trained on",
            why="both must be at least 1",
            cure="correct per_device_train_batch_size and max_length",
        )


def check_trainable(weights: str, trainable: str) -> None:
    """A `Problem` for weights that are quantised and to be trained themselves."""
    if trainable == "all" and weights not in PLAIN_BYTES:
        raise Problem(
            f"{'4-bit' if weights in ('nf4', 'gptq4', 'awq4') else '8-bit'} weights cannot be "
            "trained in full",
            why="only adapters on top of them get gradients",
            cure="choose LoRA on nf4 (QLoRA), or full fine-tuning in 16 or 32 bits",
        )


def _check(shape: ModelShape, setup: TrainingSetup) -> None:
    check_batch(setup.micro_batch, setup.seq_len)
    if setup.devices < 1:
        raise Problem(
            f"training on {setup.devices} devices is not possible",
            why="there must be at least one",
            cure="correct the number of devices",
        )
    check_trainable(setup.weights, setup.trainable)
    if setup.trainable == "all" or setup.adapter_parameters is not None:
        return
    kind_of(setup.adapter)
    if setup.rank < 1:
        raise Problem(
            f"LoRA of rank {setup.rank} has no parameters",
            why="the rank must be at least 1",
            cure="set lora.r to 8, 16, 32 or 64",
        )
    adapted = adapted_linears(shape, setup.target_modules)
    widest = max((min(m.in_features, m.out_features) for m in adapted), default=setup.rank)
    if setup.rank > widest:
        raise Problem(
            f"rank {setup.rank} is above the width of every layer it adapts, {widest}",
            why="a product of two matrices has at most the rank of the smaller side",
            cure=f"set lora.r to {widest} or less; 8 to 64 is usual",
        )
