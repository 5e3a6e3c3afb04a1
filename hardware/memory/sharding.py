"""What several devices share: DDP, DeepSpeed's ZeRO stages, FSDP2, and what goes to host memory."""

from __future__ import annotations

import msgspec

from tunewright.hardware.memory.estimate import TrainingSetup
from tunewright.hardware.shapes import ModelShape


class States(msgspec.Struct, frozen=True):
    """Bytes on one device that live through a step; `gathered` are parameters and gradients that
    are there in whole for a moment, `buckets` buffers of communication, `host` what lives in the
    memory of the host (of all devices of one node together)."""

    weights: int
    adapters: int
    gradients: int
    optimizer: int
    gathered: int = 0
    buckets: int = 0
    host: int = 0
    why: str = ""


def shared(shape: ModelShape, setup: TrainingSetup, whole: States, unit: int) -> States:
    """What of `whole` one of `setup.devices` devices holds. `unit` bytes of one decoder layer.

    ZeRO (arXiv:1910.02054): stage 1 shares the optimizer's state, 2 gradients as well, 3 parameters
    as well. DDP keeps a second copy of the gradients in its buckets (torch's own, without
    gradient_as_bucket_view). FSDP2 and ZeRO-3 gather the layer at work and the next one; FSDP's
    root, embeddings and head, stays whole through the step. Bucket sizes are those that
    transformers writes for "auto" (deepspeed.py: hidden_size squared), in 16 bits, two at a time.
    """
    kind, n = setup.sharding, max(1, setup.devices)
    weights, adapters = whole.weights, whole.adapters
    gradients, optimizer = whole.gradients, whole.optimizer
    gathered = buckets = host = 0
    words: list[str] = []
    if n > 1 and kind == "ddp":
        buckets = gradients
        words.append("DDP: a second copy of the gradients in buckets")
    if kind in ("zero1", "zero2", "zero3"):
        buckets = 4 * (setup.reduce_bucket or shape.hidden_size**2)
        optimizer = -(-optimizer // n)
        words.append(f"{kind}: the optimizer's state over {n}")
    if kind in ("zero2", "zero3"):
        gradients = -(-gradients // n)
        words.append("gradients too")
    if kind in ("zero3", "fsdp"):
        root = int(weights * 2 * shape.vocab_size * shape.hidden_size / max(1, shape.parameters))
        root = min(root, weights // 2) // (2 if shape.tie_word_embeddings else 1)
        whole_root = root if kind == "fsdp" else 0
        gathered = 2 * unit + (whole_root - root // n if whole_root else 0)
        weights, adapters = -(-weights // n), -(-adapters // n)
        if kind == "fsdp":
            gradients, optimizer = -(-gradients // n), -(-optimizer // n)
        if setup.trainable == "all":
            gathered += unit
        words.append(f"parameters over {n}, two layers gathered at a time")
    if setup.offload != "none":
        host += optimizer * n
        optimizer = 0
        words.append("the optimizer's state in host memory")
    if setup.offload == "all":
        host += (weights + adapters + gradients) * n
        weights, adapters = gathered or 2 * unit, 0
        gathered = 0
        gradients = unit if setup.trainable == "all" else gradients
        words.append("parameters in host memory")
    return States(
        weights, adapters, gradients, optimizer, gathered, buckets, host, "; ".join(words)
    )
