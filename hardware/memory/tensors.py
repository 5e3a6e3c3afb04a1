"""How large everything is that can be alive in a training step, each part counted once."""

from __future__ import annotations

import msgspec

from tunewright.hardware.memory.adapter_kinds import OTHER_KINDS
from tunewright.hardware.memory.adapters import adapted_linears, adapter_fixed_bytes
from tunewright.hardware.memory.estimate import TrainingSetup
from tunewright.hardware.memory.layers import Precision, largest_linear, layer_activations
from tunewright.hardware.memory.loss import loss_buffers
from tunewright.hardware.memory.optimizers import optimizer_bytes, optimizer_facts
from tunewright.hardware.memory.sharding import States, shared
from tunewright.hardware.memory.stacks import Stack
from tunewright.hardware.memory.storage import (
    PLAIN_BYTES,
    linear_parameters,
    quantised_bytes,
    weights_bytes,
)
from tunewright.hardware.memory.trained import Trained
from tunewright.hardware.memory.trainers import extra_models
from tunewright.hardware.shapes import ModelShape


class Sizes(msgspec.Struct, frozen=True):
    """Bytes of everything that can be alive at a peak, on one device.

    `states` live through all of it, and `models` beside them. Of gradients: those of one layer and
    of the head. `step`: what the optimizer's step makes; `stranded`: blocks that it leaves to
    nothing else. Of each of `layers`: what it saves for its backward pass, its score matrices, what
    that pass makes besides, and its `checkpoint`, the input that it keeps instead. `held`: what all
    layers hold until the backward pass is over. `loss` is at the start of the backward pass,
    `forward_loss` at the end of the forward pass, `idle_loss` freed and too small for it.
    """

    states: States
    models: int
    layer_gradients: int
    head_gradient: int
    step: int
    stranded: int
    layers: int
    saved_layer: int
    scores_layer: int
    working_layer: int
    held: int
    checkpoint: int
    final_norm: int
    cast_weights: int
    loss: int
    forward_loss: int
    idle_loss: int
    loss_why: str
    dequantised: int
    dequantised_head: int


def sizes_of(
    shape: ModelShape, setup: TrainingSetup, stack: Stack, precision: Precision, trained: Trained
) -> Sizes:
    """Count everything, for the libraries of `stack` and the arithmetic of `precision`."""
    a, h, layers = precision.activation, shape.hidden_size, shape.num_hidden_layers
    tokens = setup.micro_batch * setup.seq_len
    full, deepspeed = setup.trainable == "all", _by_deepspeed(setup)
    in_linears = linear_parameters(shape)
    weights = weights_bytes(shape, setup, stack, a)
    whole = _whole_states(shape, setup, weights, trained)
    states = shared(shape, setup, whole, _weights_of_layer(shape, setup, whole.weights))
    gradients = whole.gradients
    layer = layer_activations(shape, setup, stack, precision)
    loss = loss_buffers(shape, setup, stack, precision, setup.micro_batch)
    cast = precision.autocast and setup.weights == "float32"
    copies = optimizer_facts(setup.optimizer).step_copies
    if setup.optimizer == "adamw_torch":
        copies = stack.step_copies
    share = states.gradients / gradients if gradients else 1
    expert_share = shape.parameters - shape.vocab_size * h if full else 0
    value_bytes = min(trained.value_bytes, 2) if deepspeed else trained.value_bytes
    layer_grads = (max(in_linears, expert_share) * value_bytes if full else gradients) // layers
    # DeepSpeed's float32 copy of its share of the gradients, where the master is updated.
    step = (
        4 * trained.parameters // max(1, setup.devices)
        if deepspeed
        else int(gradients * share) * copies
    )
    return Sizes(
        states=states,
        models=extra_models(shape, setup),
        layer_gradients=int(layer_grads * share),
        head_gradient=int(shape.vocab_size * h * value_bytes * share) if full else 0,
        step=step if setup.device == "cuda" else 0,
        stranded=_stranded(setup, trained, copies, share, deepspeed),
        layers=layers,
        saved_layer=layer.saved * tokens + layer.mask,
        scores_layer=layer.scores,
        working_layer=layer.working * tokens,
        held=layer.held * tokens * layers,
        checkpoint=precision.residual * h * tokens,
        final_norm=(4 + a) * h * tokens,
        cast_weights=a * in_linears if cast else 0,
        loss=loss.bytes,
        forward_loss=loss.forward,
        idle_loss=loss.idle,
        loss_why=loss.why,
        dequantised=_dequantised(shape, setup, a),
        # Unpacked, and once more by `.to(dtype).t()`: what generation by litgpt shows alone.
        dequantised_head=2 * a * shape.vocab_size * h
        if stack.quantises_head and setup.weights not in PLAIN_BYTES
        else 0,
    )


def _by_deepspeed(setup: TrainingSetup) -> bool:
    return setup.sharding in ("zero1", "zero2", "zero3") and setup.device == "cuda"


def _whole_states(
    shape: ModelShape, setup: TrainingSetup, weights: int, trained: Trained
) -> States:
    """What lives through all of the training, as one device would hold it."""
    full = setup.trainable == "all"
    optimizer = optimizer_facts(setup.optimizer)
    plain = full or setup.adapter in OTHER_KINDS
    matrices = shape.linears if plain else adapted_linears(shape, setup.target_modules)
    factors = 0 if full else setup.rank

    def state_of(least: int) -> int:
        values, saved = max(least, trained.value_bytes), max(least, trained.saved_bytes)
        own = optimizer_bytes(optimizer, trained.values, values, matrices, factors)
        return own + optimizer_bytes(optimizer, trained.saved, saved, (), 0)

    state, copy = state_of(0), trained.copy()
    if _by_deepspeed(setup):
        # 16-bit parameters and gradients, and a float32 master beside the optimizer's state.
        state = 4 * trained.parameters + state_of(4)
        weights = 2 * shape.parameters if full else weights
        copy = trained.copy(2)
    adapters = 0 if full else copy + adapter_fixed_bytes(shape, setup)
    gradients = 0 if setup.optimizer_in_backward else copy
    paged = optimizer.pageable and setup.device == "cuda"
    return States(weights, adapters, gradients, 0 if paged else state)


def _weights_of_layer(shape: ModelShape, setup: TrainingSetup, weights: int) -> int:
    """Bytes of the matrices of one layer, which is what sharded weights are gathered by."""
    in_linears = linear_parameters(shape)
    if setup.weights in PLAIN_BYTES:
        return weights * in_linears // max(1, shape.parameters) // shape.num_hidden_layers
    packed = quantised_bytes(in_linears, setup.weights, setup.double_quant)
    return packed // shape.num_hidden_layers


def _stranded(
    setup: TrainingSetup, trained: Trained, copies: int, share: float, deepspeed: bool
) -> int:
    """Bytes of freed blocks that activations cannot use: the allocator keeps tensors of up to 1 MiB
    in segments of 2 MiB and larger ones in segments of 20 MiB (`engine.trace.allocator`), and the
    tensors of adapters are of these sizes, those of activations are not. They are what the
    optimizer's step made of them, and the float32 adapters that DeepSpeed turned to 16 bits, whose
    room the gradients take up by half."""
    if setup.device != "cuda" or setup.trainable != "lora":
        return 0
    if deepspeed:
        return 2 * trained.values if trained.value_bytes == 4 else 0
    return int(copies * trained.values * trained.value_bytes * share)


def _dequantised(shape: ModelShape, setup: TrainingSetup, a: int) -> int:
    """Bytes of weights that are unpacked at a time. bitsandbytes unpacks one matrix and lets it go.
    GPTQ's layers unpack in Python, through int32 and int16 of one matrix, and autograd keeps the
    results of a layer for its backward pass (auto-gptq and gptqmodel, the torch kernels)."""
    if setup.weights in PLAIN_BYTES:
        return 0
    largest = largest_linear(shape.linears)
    if setup.weights in ("gptq4", "gptq8"):
        return 8 * largest + a * linear_parameters(shape) // shape.num_hidden_layers
    return a * largest
