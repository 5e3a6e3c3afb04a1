"""The peak memory of one training step in closed form: `estimate_training`.

A step has a few moments that can be the highest: the start of the backward pass (all activations
and the loss), its passage through a checkpointed layer, its end (all gradients), and the optimizer
step. Each is a sum of counted tensors; the highest is the estimate. Nothing is fitted to published
figures, except what torch cannot tell: the CUDA context, fragmentation, and the size of libraries.
"""

from __future__ import annotations

import msgspec

from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.activations import (
    Precision,
    layer_activations,
    loss_buffers,
    precision_of,
)
from tunewright.hardware.memory.estimate import MemoryEstimate, MemoryItem, TrainingSetup
from tunewright.hardware.memory.overheads import with_overheads
from tunewright.hardware.memory.states import (
    adapted_linears,
    linear_parameters,
    nf4_bytes,
    optimizer_bytes,
    optimizer_facts,
)
from tunewright.hardware.memory.states import trainable_parameters as trainable_parameters
from tunewright.hardware.shapes import ModelShape

_WEIGHT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


class _Sizes(msgspec.Struct, frozen=True):
    """Bytes of everything that can be alive at a peak."""

    weights: int
    adapters: int
    optimizer: int
    gradients: int
    layer_gradients: int
    head_gradient: int
    step: int
    layers: int
    saved_layer: int
    working_layer: int
    checkpoint: int
    final_norm: int
    cast_weights: int
    loss: int
    forward_loss: int
    dequantised: int


class _Moment(msgspec.Struct, frozen=True):
    """What is alive at one candidate for the peak, beside weights, adapters and optimizer state."""

    name: str
    gradients: int
    activations: int
    loss: int
    workspace: int

    @property
    def bytes(self) -> int:
        return self.gradients + self.activations + self.loss + self.workspace


def estimate_training(shape: ModelShape, setup: TrainingSetup) -> MemoryEstimate:
    """Predict the peak of one training process on its device, in bytes.

    On "cuda": what NVML shows for the process (context included). On "cpu": its peak resident size.
    `safe_bytes` is the bound to plan with. Problem for target modules that the model lacks, an
    optimizer whose state is not known, or a batch below one token.
    """
    return _estimate(shape, setup, precision_of(setup))


def _estimate(shape: ModelShape, setup: TrainingSetup, precision: Precision) -> MemoryEstimate:
    if setup.micro_batch < 1 or setup.seq_len < 1:
        raise Problem(
            f"a batch of {setup.micro_batch} rows of {setup.seq_len} tokens cannot be trained on",
            why="both must be at least 1",
            cure="correct per_device_train_batch_size and max_length",
        )
    trained, trained_bytes = _trained(shape, setup)
    sizes = _sizes(shape, setup, precision, trained, trained_bytes)
    peak = max(_moments(setup, sizes), key=lambda moment: moment.bytes)
    tokens = setup.micro_batch * setup.seq_len
    optimizer = optimizer_facts(setup.optimizer)

    when = f"at the peak, {peak.name}"
    items = [MemoryItem("weights", sizes.weights, _weights_why(shape, setup))]
    if setup.trainable == "lora":
        items.append(
            MemoryItem(
                "adapters",
                sizes.adapters,
                f"{trained:,} parameters of rank {setup.rank} x {trained_bytes} bytes",
            )
        )
    paged = optimizer.pageable and setup.device == "cuda"
    items += [
        MemoryItem(
            "optimizer",
            sizes.optimizer,
            "paged: CUDA moves it to host memory when the GPU is full"
            if paged
            else f"{setup.optimizer}: state for {trained:,} parameters",
        ),
        MemoryItem("gradients", peak.gradients, f"{trained:,} parameters; {when}"),
        MemoryItem(
            "activations", peak.activations, _activations_why(shape, setup, sizes, tokens, peak)
        ),
        MemoryItem(
            "loss",
            peak.loss,
            loss_buffers(shape, setup, precision).why if peak.loss else f"freed; {when}",
        ),
        MemoryItem("workspace", peak.workspace, f"temporaries of the backward pass; {when}"),
    ]
    return with_overheads(setup, items)


def _trained(shape: ModelShape, setup: TrainingSetup) -> tuple[int, int]:
    """(trained parameters, bytes of each)."""
    if setup.trainable == "all":
        if setup.weights == "nf4":
            raise Problem(
                "4-bit weights cannot be trained in full",
                why="only adapters on top of them get gradients",
                cure="choose LoRA on nf4 (QLoRA), or full fine-tuning in 16 or 32 bits",
            )
        return shape.parameters, _WEIGHT_BYTES[setup.weights]
    if setup.rank < 1:
        raise Problem(
            f"LoRA of rank {setup.rank} has no parameters",
            why="the rank must be at least 1",
            cure="set lora.r to 8, 16, 32 or 64",
        )
    return trainable_parameters(shape, setup.rank, setup.target_modules), setup.adapter_bytes


def _sizes(
    shape: ModelShape,
    setup: TrainingSetup,
    precision: Precision,
    trained: int,
    trained_bytes: int,
) -> _Sizes:
    a, h, layers = precision.activation, shape.hidden_size, shape.num_hidden_layers
    tokens = setup.micro_batch * setup.seq_len
    full = setup.trainable == "all"
    in_linears = linear_parameters(shape)
    optimizer = optimizer_facts(setup.optimizer)
    matrices = shape.linears if full else adapted_linears(shape, setup.target_modules)
    state = optimizer_bytes(optimizer, trained, trained_bytes, matrices, 0 if full else setup.rank)
    gradients = trained * trained_bytes
    cast = precision.autocast and setup.weights == "float32"
    layer = layer_activations(shape, setup, precision)
    loss = loss_buffers(shape, setup, precision)
    return _Sizes(
        weights=_weights(shape, setup, a),
        adapters=0 if full else trained * trained_bytes,
        optimizer=0 if optimizer.pageable and setup.device == "cuda" else state,
        gradients=gradients,
        layer_gradients=(in_linears * trained_bytes if full else gradients) // layers,
        head_gradient=shape.vocab_size * h * trained_bytes if full else 0,
        step=gradients * optimizer.step_copies if setup.device == "cuda" else 0,
        layers=layers,
        saved_layer=layer.saved * tokens + layer.attention,
        working_layer=layer.working * tokens,
        checkpoint=precision.residual * h * tokens,
        final_norm=(4 + a) * h * tokens,
        cast_weights=a * in_linears if cast else 0,
        loss=loss.bytes,
        forward_loss=loss.forward,
        dequantised=a * max((m.in_features * m.out_features for m in shape.linears), default=0)
        if setup.weights == "nf4"
        else 0,
    )


def _weights(shape: ModelShape, setup: TrainingSetup, activation: int) -> int:
    if setup.weights != "nf4":
        return shape.parameters * _WEIGHT_BYTES[setup.weights]
    quantised = linear_parameters(shape)
    return nf4_bytes(quantised) + (shape.parameters - quantised) * activation


def _moments(setup: TrainingSetup, s: _Sizes) -> list[_Moment]:
    """The moments that can be the peak. Under checkpointing a layer keeps its input only, and its
    activations come back one layer at a time."""
    kept = s.gradients if setup.gradient_accumulation else 0
    backward = s.working_layer + s.dequantised
    if setup.gradient_checkpointing:
        saved = s.layers * s.checkpoint + s.final_norm
        in_layer, last_layer = saved + s.saved_layer, s.checkpoint + s.saved_layer
        backward += s.cast_weights // s.layers
    else:
        saved = in_layer = s.layers * s.saved_layer + s.final_norm + s.cast_weights
        last_layer = s.saved_layer
    # Autocast holds its 16-bit copies of the weights until the forward pass is over.
    forward = saved + (s.cast_weights if setup.gradient_checkpointing else 0)
    # Gradients appear from the last layer to the first, whose own come when its activations go.
    almost_all = kept or s.gradients - s.layer_gradients
    return [
        _Moment("the end of the forward pass", kept, forward, s.forward_loss, 0),
        _Moment("the start of the backward pass", kept, saved, s.loss, 0),
        _Moment("backward in the last layer", kept or s.head_gradient, in_layer, 0, backward),
        _Moment("backward in the first layer", almost_all, last_layer, 0, backward),
        _Moment("the optimizer step", s.gradients, 0, 0, s.step),
    ]


def _weights_why(shape: ModelShape, setup: TrainingSetup) -> str:
    if setup.weights != "nf4":
        return f"{shape.parameters:,} parameters in {setup.weights}"
    quantised = linear_parameters(shape)
    rest = shape.parameters - quantised
    return (
        f"{quantised:,} parameters in nf4 (4.127 bits with their constants); {rest:,} in "
        "embeddings, head and norms are not quantised"
    )


def _activations_why(
    shape: ModelShape, setup: TrainingSetup, sizes: _Sizes, tokens: int, peak: _Moment
) -> str:
    when = f"at the peak, {peak.name}"
    if not peak.activations:
        return f"freed; {when}"
    each = sizes.saved_layer // tokens
    if setup.gradient_checkpointing:
        return (
            f"{tokens} tokens x {shape.num_hidden_layers} layer inputs"
            + (f", and {each:,} bytes a token of one layer" if peak.workspace else "")
            + f"; {when}"
        )
    return f"{tokens} tokens x {shape.num_hidden_layers} layers x {each:,} bytes; {when}"
