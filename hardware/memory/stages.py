"""The stages around training, which can need more than a step: measuring, and merging.

Each runs in the same process after the other, with its own model; the largest decides what must be
free (`with_stages`).
"""

from __future__ import annotations

import msgspec

from tunewright.hardware.memory.adapters import trainable_parameters
from tunewright.hardware.memory.estimate import MemoryEstimate, MemoryItem, TrainingSetup
from tunewright.hardware.memory.layers import largest_linear
from tunewright.hardware.memory.serving import estimate_generate
from tunewright.hardware.memory.stacks import stack_of
from tunewright.hardware.memory.storage import weights_bytes
from tunewright.hardware.shapes import ModelShape

# What belongs to the process and not to the step: it is there in every stage.
_AROUND = ("context", "libraries", "communication")
_SAFE = 1.15
_MERGE = "the base in 16 bits, and one matrix with its update in float32"


class Proof(msgspec.Struct, frozen=True):
    """How a run is measured: `rows` at once, prompts of up to `prompt` tokens, after `shots`
    examples of the longest length where the base is shown some, `new_tokens` written."""

    rows: int
    prompt: int
    new_tokens: int
    shots: int = 0


def stage_peaks(shape: ModelShape, setup: TrainingSetup, proof: Proof) -> tuple[MemoryItem, ...]:
    """Expected bytes of tensors in each stage beside training, on one device.

    Evaluation generates in batches with a cache, and scores held-out answers (16-bit or float32
    logits of the answers' positions, and float32 copies of one row of them). A merge adds the
    adapter to one matrix after the other, in float32; a merged model is then loaded and asked.
    """
    found = [asking_peak("evaluation", shape, setup, proof)]
    if setup.trainable == "lora" and setup.device == "cpu":
        found.append(MemoryItem("merge", merge_bytes(shape), _MERGE))
    return tuple(found)


def asking_peak(id: str, shape: ModelShape, setup: TrainingSetup, proof: Proof) -> MemoryItem:
    """Expected bytes of tensors while a model answers, or is scored on given answers."""
    a = 4 if setup.device == "cpu" and setup.weights not in ("bfloat16", "float16") else 2
    held = weights_bytes(shape, setup, stack_of(setup.stack), a)
    if setup.trainable == "lora" and setup.adapter_parameters is None:
        held += trainable_parameters(shape, setup.rank, setup.target_modules) * setup.adapter_bytes
    prompt = proof.prompt * (1 + proof.shots)
    generate = estimate_generate(
        shape,
        setup.weights,
        proof.rows,
        prompt,
        proof.new_tokens,
        weight_bytes=held,
        activation=a,
    )
    logits = proof.new_tokens * shape.vocab_size * (proof.rows * a + 3 * 4)
    wide = max(shape.intermediate_size, shape.experts_per_token * shape.expert_intermediate_size)
    score = held + logits + proof.rows * proof.prompt * a * (3 * wide + 2 * shape.hidden_size)
    return MemoryItem(
        id,
        max(generate.expected_bytes, score),
        f"{proof.rows} rows of {prompt:,} tokens and {proof.new_tokens:,} written, with their "
        "cache and logits",
    )


def merge_bytes(shape: ModelShape) -> int:
    """Host memory of a merge: the base in 16 bits, and one matrix and its update in float32. It
    runs on the CPU whatever the device."""
    return 2 * shape.parameters + 2 * 4 * largest_linear(shape.linears)


def with_stages(estimate: MemoryEstimate, stages: tuple[MemoryItem, ...]) -> MemoryEstimate:
    """The estimate with its stages, raised to the largest of them where that is above the step."""
    around = sum(item.bytes for item in estimate.items if item.id in _AROUND)
    highest = max(stages, key=lambda item: item.bytes, default=None)
    told = msgspec.structs.replace(estimate, stages=stages)
    if highest is None:
        return told
    more = highest.bytes + around - estimate.expected_bytes
    if more <= 0:
        return told
    expected = estimate.expected_bytes + more
    return msgspec.structs.replace(
        told,
        items=(
            *estimate.items,
            MemoryItem(
                "later-stage", more, f"the {highest.id} needs more than a step: {highest.why}"
            ),
        ),
        expected_bytes=expected,
        low_bytes=max(estimate.low_bytes, int(expected * 0.9)),
        high_bytes=max(estimate.high_bytes, int(expected * _SAFE)),
        safe_bytes=max(estimate.safe_bytes, int(expected * _SAFE)),
    )
