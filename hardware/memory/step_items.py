"""A peak as line items that add up, each with its formula in words."""

from __future__ import annotations

from tunewright.hardware.memory.estimate import MemoryItem, TrainingSetup
from tunewright.hardware.memory.moments import Moment
from tunewright.hardware.memory.optimizers import optimizer_facts
from tunewright.hardware.memory.storage import PLAIN_BYTES, quantised_bytes, stored_parts
from tunewright.hardware.memory.tensors import Sizes
from tunewright.hardware.memory.trained import Trained
from tunewright.hardware.shapes import ModelShape


def items_of(
    shape: ModelShape,
    setup: TrainingSetup,
    s: Sizes,
    peak: Moment,
    trained: Trained,
) -> list[MemoryItem]:
    """The line items of the peak `s` has at the moment `peak`; an item that is freed by then stays
    in the list, with 0 bytes."""
    when = f"at the peak, {peak.name}"
    states = s.states
    share = f"; {states.why}" if states.why else ""
    items = [MemoryItem("weights", states.weights, _weights_why(shape, setup) + share)]
    if setup.trainable == "lora":
        why = (
            f"{trained.parameters:,} parameters of rank {setup.rank} x {trained.value_bytes} bytes"
        )
        if setup.modules_to_save:
            why += f", with whole {', '.join(setup.modules_to_save)}"
        items.append(MemoryItem("adapters", states.adapters, why))
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
            else f"{setup.optimizer}: state for {trained.parameters:,} parameters",
        ),
        MemoryItem("gradients", peak.gradients, f"{trained.parameters:,} parameters; {when}"),
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


def _activations_why(shape: ModelShape, setup: TrainingSetup, s: Sizes, peak: Moment) -> str:
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
