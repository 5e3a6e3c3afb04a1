"""The peak memory of one training step in closed form: `estimate_training`.

A step has a few moments that can be the highest: the start of the backward pass (all activations
and the loss), its passage through a checkpointed layer, its end (all gradients), and the optimizer
step. Each is a sum of counted tensors; the highest is the estimate. Nothing is fitted to published
figures, except what torch cannot tell: the CUDA context, fragmentation, and the size of libraries.
"""

from __future__ import annotations

import msgspec

from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.adapter_kinds import OTHER_KINDS, kind_of
from tunewright.hardware.memory.adapters import (
    adapted_linears,
    adapter_fixed_bytes,
    saved_parameters,
    virtual_tokens,
)
from tunewright.hardware.memory.adapters import trainable_parameters as trainable_parameters
from tunewright.hardware.memory.estimate import MemoryEstimate, MemoryItem, TrainingSetup
from tunewright.hardware.memory.layers import (
    Precision,
    largest_linear,
    layer_activations,
    precision_of,
)
from tunewright.hardware.memory.loss import loss_buffers
from tunewright.hardware.memory.optimizers import optimizer_bytes, optimizer_facts
from tunewright.hardware.memory.overheads import with_overheads
from tunewright.hardware.memory.sharding import States, shared
from tunewright.hardware.memory.stacks import Stack, stack_of
from tunewright.hardware.memory.storage import (
    PLAIN_BYTES,
    linear_parameters,
    quantised_bytes,
    stored_parts,
    weights_bytes,
)
from tunewright.hardware.memory.trainers import extra_models, rows_of
from tunewright.hardware.shapes import ModelShape

_STEP = "the optimizer step"


class _Sizes(msgspec.Struct, frozen=True):
    """Bytes of everything that can be alive at a peak."""

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


class _Moment(msgspec.Struct, frozen=True):
    """What is alive at one candidate for the peak, beside weights, adapters and optimizer state."""

    name: str
    gradients: int
    activations: int
    loss: int
    workspace: int
    scores: int = 0

    @property
    def bytes(self) -> int:
        return self.gradients + self.activations + self.loss + self.workspace + self.scores


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
    learns = _learns(shape, setup)
    sizes = _sizes(shape, working, stack, precision, learns)
    moments = _moments(working, sizes)
    peak = max(moments, key=lambda moment: moment.bytes)
    items = _items(shape, working, sizes, peak, learns)
    stranded = max(moment.bytes + _idle(moment, sizes) for moment in moments) - peak.bytes
    return with_overheads(shape, working, stack, items, sizes.states.host, stranded)


def _idle(moment: _Moment, s: _Sizes) -> int:
    """Freed blocks that nothing at that moment can use."""
    return (0 if moment.name == _STEP else s.stranded) + (s.idle_loss if moment.loss else 0)


def _check(shape: ModelShape, setup: TrainingSetup) -> None:
    if setup.micro_batch < 1 or setup.seq_len < 1:
        raise Problem(
            f"a batch of {setup.micro_batch} rows of {setup.seq_len} tokens cannot be trained on",
            why="both must be at least 1",
            cure="correct per_device_train_batch_size and max_length",
        )
    if setup.devices < 1:
        raise Problem(
            f"training on {setup.devices} devices is not possible",
            why="there must be at least one",
            cure="correct the number of devices",
        )
    quantised = setup.weights not in PLAIN_BYTES
    if setup.trainable == "all" and quantised:
        raise Problem(
            f"{'4-bit' if setup.weights in ('nf4', 'gptq4', 'awq4') else '8-bit'} weights cannot "
            "be trained in full",
            why="only adapters on top of them get gradients",
            cure="choose LoRA on nf4 (QLoRA), or full fine-tuning in 16 or 32 bits",
        )
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


class _Learns(msgspec.Struct, frozen=True):
    """What is trained: `values` of `value_bytes` each (all weights, or adapters), and `saved`
    parameters of whole modules beside adapters, in the base's 16 or 32 bits."""

    values: int
    value_bytes: int
    saved: int = 0
    saved_bytes: int = 2

    @property
    def parameters(self) -> int:
        return self.values + self.saved

    def copy(self, most: int = 8) -> int:
        """Bytes of one copy of all, of at most `most` bytes a value."""
        return self.values * min(most, self.value_bytes) + self.saved * min(most, self.saved_bytes)


def _learns(shape: ModelShape, setup: TrainingSetup) -> _Learns:
    if setup.trainable == "all":
        return _Learns(shape.parameters, PLAIN_BYTES[setup.weights])
    saved = saved_parameters(shape, setup.modules_to_save)
    saved_bytes = PLAIN_BYTES.get(setup.weights, 2)
    if setup.adapter_parameters is not None:
        return _Learns(setup.adapter_parameters, setup.adapter_bytes, saved, saved_bytes)
    trained = trainable_parameters(shape, setup.rank, setup.target_modules)
    if setup.adapter == "dora":
        # A magnitude for each output (arXiv:2402.09353).
        trained += sum(
            m.out_features * m.count for m in adapted_linears(shape, setup.target_modules)
        )
    return _Learns(trained, setup.adapter_bytes, saved, saved_bytes)


def _sizes(
    shape: ModelShape,
    setup: TrainingSetup,
    stack: Stack,
    precision: Precision,
    learns: _Learns,
) -> _Sizes:
    a, h, layers = precision.activation, shape.hidden_size, shape.num_hidden_layers
    tokens = setup.micro_batch * setup.seq_len
    full = setup.trainable == "all"
    deepspeed = setup.sharding in ("zero1", "zero2", "zero3") and setup.device == "cuda"
    in_linears = linear_parameters(shape)
    optimizer = optimizer_facts(setup.optimizer)
    plain = full or setup.adapter in OTHER_KINDS
    matrices = shape.linears if plain else adapted_linears(shape, setup.target_modules)
    factors = 0 if full else setup.rank

    def state_of(least: int) -> int:
        values, saved = max(least, learns.value_bytes), max(least, learns.saved_bytes)
        own = optimizer_bytes(optimizer, learns.values, values, matrices, factors)
        return own + optimizer_bytes(optimizer, learns.saved, saved, (), 0)

    state = state_of(0)
    weights = weights_bytes(shape, setup, stack, a)
    copy = learns.copy()
    if deepspeed:
        # 16-bit parameters and gradients, and a float32 master beside the optimizer's state.
        state = 4 * learns.parameters + state_of(4)
        weights = 2 * shape.parameters if full else weights
        copy = learns.copy(2)
    paged = optimizer.pageable and setup.device == "cuda"
    gradients = 0 if setup.optimizer_in_backward else copy
    fixed = 0 if full else adapter_fixed_bytes(shape, setup)
    whole = States(weights, 0 if full else copy + fixed, gradients, 0 if paged else state)
    unit = weights * in_linears // max(1, shape.parameters) // layers
    if setup.weights not in PLAIN_BYTES:
        unit = quantised_bytes(in_linears, setup.weights, setup.double_quant) // layers
    states = shared(shape, setup, whole, unit)
    layer = layer_activations(shape, setup, stack, precision)
    loss = loss_buffers(shape, setup, stack, precision, setup.micro_batch)
    cast = precision.autocast and setup.weights == "float32"
    copies = stack.step_copies if setup.optimizer == "adamw_torch" else optimizer.step_copies
    share = states.gradients / gradients if gradients else 1
    expert_share = shape.parameters - shape.vocab_size * h if full else 0
    value_bytes = min(learns.value_bytes, 2) if deepspeed else learns.value_bytes
    layer_grads = (max(in_linears, expert_share) * value_bytes if full else gradients) // layers
    # DeepSpeed's float32 copy of its share of the gradients, where the master is updated.
    step = (
        4 * learns.parameters // max(1, setup.devices)
        if deepspeed
        else int(gradients * share) * copies
    )
    return _Sizes(
        states=states,
        models=extra_models(shape, setup),
        layer_gradients=int(layer_grads * share),
        head_gradient=int(shape.vocab_size * h * value_bytes * share) if full else 0,
        step=step if setup.device == "cuda" else 0,
        stranded=_stranded(setup, learns, copies, share, deepspeed),
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


def _stranded(
    setup: TrainingSetup, learns: _Learns, copies: int, share: float, deepspeed: bool
) -> int:
    """Bytes of freed blocks that activations cannot use: the allocator keeps tensors of up to 1 MiB
    in segments of 2 MiB and larger ones in segments of 20 MiB (`engine.trace.allocator`), and the
    tensors of adapters are of these sizes, those of activations are not. They are what the
    optimizer's step made of them, and the float32 adapters that DeepSpeed turned to 16 bits, whose
    room the gradients take up by half."""
    if setup.device != "cuda" or setup.trainable != "lora":
        return 0
    if deepspeed:
        return 2 * learns.values if learns.value_bytes == 4 else 0
    return int(copies * learns.values * learns.value_bytes * share)


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


def _moments(setup: TrainingSetup, s: _Sizes) -> list[_Moment]:
    """The moments that can be the peak. Under checkpointing a layer keeps its input only, and its
    activations come back one layer at a time; "selective" keeps every second layer whole, and
    "offloaded" moves the inputs to host memory, but for two that are on their way."""
    gradients = s.states.gradients
    kept = gradients if setup.gradient_accumulation else 0
    backward = s.working_layer + s.dequantised
    if setup.gradient_checkpointing:
        inputs = s.layers * s.checkpoint
        if setup.checkpointing == "offloaded":
            inputs = 2 * s.checkpoint
        elif setup.checkpointing == "selective":
            inputs = (s.layers // 2) * (s.checkpoint + s.saved_layer)
        saved = inputs + s.final_norm
        in_layer, last_layer = saved + s.saved_layer, s.checkpoint + s.saved_layer
        backward += s.cast_weights // s.layers
        held = 0
        kept_scores, layer_scores = 0, s.scores_layer
        if setup.checkpointing == "selective":
            kept_scores = (s.layers // 2) * s.scores_layer
    else:
        kept_scores = layer_scores = s.layers * s.scores_layer
        saved = in_layer = s.layers * s.saved_layer + s.final_norm + s.cast_weights
        last_layer = s.saved_layer
        held = s.held
    # Autocast holds its 16-bit copies of the weights until the forward pass is over.
    forward = saved + (s.cast_weights if setup.gradient_checkpointing else 0)
    # Gradients appear from the last layer to the first, whose own come when its activations go.
    almost_all = kept or max(0, gradients - s.layer_gradients)
    head = s.dequantised_head
    return [
        _Moment(
            "the end of the forward pass", kept, forward + held, s.forward_loss, head, kept_scores
        ),
        _Moment("the start of the backward pass", kept, saved + held, s.loss, head, kept_scores),
        _Moment(
            "backward in the last layer",
            kept or s.head_gradient,
            in_layer + held,
            0,
            backward,
            kept_scores + layer_scores if setup.gradient_checkpointing else layer_scores,
        ),
        _Moment(
            "backward in the first layer",
            almost_all,
            last_layer + held,
            0,
            backward,
            s.scores_layer,
        ),
        _Moment(_STEP, gradients, 0, 0, s.step),
    ]


def _items(
    shape: ModelShape,
    setup: TrainingSetup,
    s: _Sizes,
    peak: _Moment,
    learns: _Learns,
) -> list[MemoryItem]:
    trained = learns.parameters
    when = f"at the peak, {peak.name}"
    states = s.states
    share = f"; {states.why}" if states.why else ""
    items = [MemoryItem("weights", states.weights, _weights_why(shape, setup) + share)]
    if setup.trainable == "lora":
        whole = f", with whole {', '.join(setup.modules_to_save)}" if setup.modules_to_save else ""
        items.append(
            MemoryItem(
                "adapters",
                states.adapters,
                f"{trained:,} parameters of rank {setup.rank} x {learns.value_bytes} bytes{whole}",
            )
        )
    if s.models:
        items.append(
            MemoryItem("other-models", s.models, f"what {setup.trainer} holds beside the model")
        )
    paged = optimizer_facts(setup.optimizer).pageable and setup.device == "cuda"
    items += [
        MemoryItem(
            "optimizer",
            states.optimizer,
            "paged: CUDA moves it to host memory when the GPU is full"
            if paged
            else f"{setup.optimizer}: state for {trained:,} parameters",
        ),
        MemoryItem("gradients", peak.gradients, f"{trained:,} parameters; {when}"),
        MemoryItem("activations", peak.activations, _activations_why(shape, setup, s, peak)),
        *(
            [MemoryItem("scores", peak.scores, "attention that writes its score matrix down")]
            if peak.scores
            else []
        ),
        MemoryItem("loss", peak.loss, s.loss_why if peak.loss else f"freed; {when}"),
        MemoryItem("workspace", peak.workspace, f"temporaries of the backward pass; {when}"),
    ]
    if states.gathered:
        items.append(MemoryItem("gathered", states.gathered, states.why))
    if states.buckets:
        items.append(MemoryItem("buckets", states.buckets, states.why))
    return items


def _weights_why(shape: ModelShape, setup: TrainingSetup) -> str:
    if setup.weights in PLAIN_BYTES:
        return f"{shape.parameters:,} parameters in {setup.weights}"
    quantised, rest = stored_parts(shape, setup.weights)
    bits = 8 * quantised_bytes(1 << 20, setup.weights, setup.double_quant) / (1 << 20)
    return (
        f"{quantised:,} parameters in {setup.weights} ({bits:.3f} bits with their constants); "
        f"{rest:,} in embeddings, head and norms are not quantised"
    )


def _activations_why(shape: ModelShape, setup: TrainingSetup, s: _Sizes, peak: _Moment) -> str:
    when = f"at the peak, {peak.name}"
    if not peak.activations:
        return f"freed; {when}"
    tokens = setup.micro_batch * setup.seq_len
    each = s.saved_layer // tokens
    if setup.gradient_checkpointing:
        return (
            f"{tokens} tokens x {shape.num_hidden_layers} layer inputs"
            + (f", and {each:,} bytes a token of one layer" if peak.workspace else "")
            + f"; {when}"
        )
    return f"{tokens} tokens x {shape.num_hidden_layers} layers x {each:,} bytes; {when}"
