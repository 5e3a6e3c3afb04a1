"""Library versions whose training step differs in memory, and in what.

A prediction for today's stack needs one row. The others are here because published measurements
come from them: a formula that is right must be right for each version by its own code, with no
coefficient fitted to the figures.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tunewright.hardware.errors import Problem


class Stack(msgspec.Struct, frozen=True):
    """What a set of library versions does in a step. `said` names them; a row says where it differs
    from today's.

    `autocast`: torch casts at each operation (the Trainer's bf16 flag). `repeats_kv`: key-value
    heads are copied to the query's width before attention. `fused_qkv`: values are a view of
    one projection, so all of it stays. `keeps_4bit_inputs`: bitsandbytes before 0.43.2 kept the
    input of each 4-bit matmul (its pull request 1270); 2 where the loop also holds the loss of the
    step before, and with it that graph's copies. `logit_bytes`: (end of forward, start of backward)
    bytes a logit where all logits exist. `casts_rest_to_float32`: prepare_model_for_kbit_training.
    `step_copies`: copies of the trained parameters that plain AdamW makes in its step.
    `loads_all_kernels`: the CUDA context of drivers before 11.7. `idle_logit_bytes`: freed at the
    loss's peak, in blocks too small for it. `norms_in_float32`: a trained norm scales float32
    values, and keeps those. Measured and not counted are two. `quantise_on_load_holes`: blocks that
    loading leaves. `reserved_loose`: unused blocks as a share of what comes and goes, which depends
    on the path: replays of equal rows through the allocator give 0.04 (chunked loss), 0.10 (plain)
    and 0.16 (checkpointed), published rows of the peft loop 0.14 to 0.15, of rows that differ
    widely 1.1 to 2.6.
    """

    id: str
    said: str
    logit_bytes: tuple[float, float]
    autocast: bool = True
    repeats_kv: Literal["masked", "always", "never"] = "masked"
    fused_qkv: bool = False
    keeps_4bit_inputs: int = 0
    casts_rest_to_float32: bool = False
    quantises_head: bool = False
    untied: bool = False
    compiled: bool = False
    chunked_logit_bytes: tuple[float, float] | None = None
    step_copies: int = 1
    quantise_on_load_holes: float = 0.0
    logit_bytes_no_autocast: tuple[float, float] | None = None
    reserved_loose: float = 0.14
    loads_all_kernels: bool = False
    idle_logit_bytes: int = 0
    norms_in_float32: bool = False


_LITGPT = Stack(
    "litgpt",
    "litgpt 0.x, bitsandbytes 0.42, torch 2.2-2.4: bf16-true, logits in chunks of 128",
    autocast=False,
    repeats_kv="always",
    logit_bytes=(8, 8),
    # Fabric casts what a 16-bit model returns to float32; log-softmax has that size too.
    chunked_logit_bytes=(8, 8),
    fused_qkv=True,
    keeps_4bit_inputs=2,
    quantises_head=True,
    untied=True,
    norms_in_float32=True,
)

_ROWS = (
    Stack(
        "trl-1.16",
        "trl 1.16, transformers 5.23, peft 0.21, torch 2.13: SFTTrainer",
        # 16-bit logits, their float32 copy and log-softmax; then log-softmax and two gradients in
        # float32 beside the float32 logits that accelerate hands out.
        logit_bytes=(10, 16),
    ),
    Stack(
        "peft-loop",
        "peft's method comparison: a loop in bfloat16 without autocast, transformers 4.5x-5.x",
        autocast=False,
        # The loop's variable holds the logits of the step before through the forward pass.
        logit_bytes=(12, 14),
    ),
    Stack(
        "transformers-4.3x",
        "transformers 4.3x, peft 0.5, torch 2.0: the Trainer of 2023, models as remote code",
        # A 16-bit copy of the shifted logits, cast to float32 inside cross-entropy, log-softmax;
        # then that and two float32 gradients. The Trainer lets go of the outputs.
        logit_bytes=(12, 12),
        # In 16 bits throughout: logits, shifted copy, log-softmax, two gradients.
        logit_bytes_no_autocast=(8, 10),
        casts_rest_to_float32=True,
        step_copies=2,
        loads_all_kernels=True,
        # The logits and their shifted copy, whose blocks are too small for a float32 buffer.
        idle_logit_bytes=4,
    ),
    Stack(
        "transformers-4.4x",
        "transformers 4.37-4.47, peft 0.8-0.13, torch 2.1-2.5: the Trainer of 2024",
        repeats_kv="always",
        # float32 logits, their shifted copy and log-softmax; then that and two gradients.
        logit_bytes=(12, 12),
        logit_bytes_no_autocast=(12, 12),
        casts_rest_to_float32=True,
        idle_logit_bytes=2,  # the 16-bit logits, whose block is too small for the rest
    ),
    Stack(
        "ms-swift-1",
        "ms-swift 1.x, transformers 4.3x, peft 0.6, torch 2.1",
        logit_bytes=(12, 12),
        casts_rest_to_float32=True,
        quantise_on_load_holes=0.3,
        # Its rows have 3234 +- 2547 tokens, and the allocator keeps blocks of every length that it
        # met. Read off the 37 published figures, which no count explains: each alone asks for 1.1
        # to 2.6 (quartiles), every other one together for 1.7, the rest for 2.3.
        reserved_loose=1.8,
    ),
    _LITGPT,
    msgspec.structs.replace(
        _LITGPT,
        id="litgpt-2023",
        said="lit-gpt of October 2023, bitsandbytes 0.41: as above; the longest row comes first",
        keeps_4bit_inputs=1,
    ),
    Stack(
        "torchtune-0.2",
        "torchtune 0.1-0.3: bfloat16, logits in float32",
        autocast=False,
        repeats_kv="always",
        logit_bytes=(14, 14),
    ),
    Stack(
        "torchtune-0.5",
        "torchtune 0.4-0.6 with torch.compile: bfloat16, logits in eight chunks",
        autocast=False,
        repeats_kv="never",
        logit_bytes=(8, 8),
        # 16-bit logits of all chunks; float32 work on one of eight. Attention is flex_attention,
        # which takes fewer key-value heads as they are.
        chunked_logit_bytes=(2.5, 3.0),
        compiled=True,
    ),
)

STACKS = {row.id: row for row in _ROWS}


def stack_of(id: str) -> Stack:
    """The row of that name; Problem for one that is not known."""
    try:
        return STACKS[id]
    except KeyError:
        raise Problem(
            f"the library versions {id!r} are not known",
            why="coefficients differ between versions, so none is assumed",
            cure=f"take one of {', '.join(STACKS)}",
        ) from None
