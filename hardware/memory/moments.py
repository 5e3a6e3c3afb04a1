"""The moments of a step that can be its peak, and what is alive at each.

They are the end of the forward pass, the start of the backward pass (all activations and the loss),
its passage through a checkpointed layer, its end (all gradients), and the optimizer step.
"""

from __future__ import annotations

import msgspec

from tunewright.hardware.memory.estimate import TrainingSetup
from tunewright.hardware.memory.tensors import Sizes

OPTIMIZER_STEP = "the optimizer step"


class Moment(msgspec.Struct, frozen=True):
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


def moments_of(setup: TrainingSetup, s: Sizes) -> list[Moment]:
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
        Moment(
            "the end of the forward pass", kept, forward + held, s.forward_loss, head, kept_scores
        ),
        Moment("the start of the backward pass", kept, saved + held, s.loss, head, kept_scores),
        Moment(
            "backward in the last layer",
            kept or s.head_gradient,
            in_layer + held,
            0,
            backward,
            kept_scores + layer_scores if setup.gradient_checkpointing else layer_scores,
        ),
        Moment(
            "backward in the first layer",
            almost_all,
            last_layer + held,
            0,
            backward,
            s.scores_layer,
        ),
        Moment(OPTIMIZER_STEP, gradients, 0, 0, s.step),
    ]


def stranded_bytes(moments: list[Moment], peak: Moment, s: Sizes) -> int:
    """Bytes that the allocator holds above the peak in freed blocks that no tensor of it can
    use."""

    def idle(moment: Moment) -> int:
        at_step = moment.name == OPTIMIZER_STEP
        return (0 if at_step else s.stranded) + (s.idle_loss if moment.loss else 0)

    return max(moment.bytes + idle(moment) for moment in moments) - peak.bytes
