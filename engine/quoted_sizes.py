"""The hardware table that people quote for QLoRA and full fine-tuning, beside what is predicted.

Its ranges are in the seed of this project and in many guides. Where they differ from the estimate,
the reason is said; published measurements are named where there are some.
"""

from __future__ import annotations

import msgspec

from tunewright.engine.choose import Ask, options
from tunewright.engine.text import size
from tunewright.hardware.model_catalogue import shape_of
from tunewright.hardware.whatif import imagine

_GB = 10**9
# A device that everything fits, so that a prediction is not shaped by what is free.
_ROOMY = "B300"


class Quoted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of the table: GB as quoted (None: no upper end), with a model of that class."""

    sizes: str
    model: str
    qlora: tuple[int, int]
    full_from: int
    gpu: str


class Beside(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is quoted and what is predicted for one row and method; `why` they differ, if so."""

    sizes: str
    model: str
    method: str
    quoted: str
    expected_bytes: int
    safe_bytes: int
    agrees: bool
    why: str


QUOTED = (
    Quoted("7-8B", "meta-llama/Llama-3.1-8B", (6, 10), 60, "RTX 3090/4090"),
    Quoted("13B", "meta-llama/Llama-2-13b-hf", (10, 16), 100, "RTX 4090/A6000"),
    Quoted("34B", "01-ai/Yi-34B", (20, 28), 250, "A100 40GB"),
    Quoted("70B", "meta-llama/Llama-3.1-70B", (36, 48), 500, "A100 80GB"),
)


def beside_quoted(seq_len: int = 2048) -> tuple[Beside, ...]:
    """Each row at one row of `seq_len` tokens, rank 16 on all linear layers, checkpointed; full
    fine-tuning in float32 with AdamW."""
    machine = imagine(_ROOMY)
    found = []
    for row in QUOTED:
        shape = shape_of(row.model)
        for method in ("qlora", "full"):
            ask = Ask(
                seq_len=seq_len, micro_batch=1, method=method, checkpointing=True, sharding="none"
            )
            estimate = options(shape, machine, ask)[0].estimate
            expected = estimate.expected_bytes
            if method == "qlora":
                low, high = row.qlora
                agrees = low * _GB <= expected <= high * _GB
                quoted, why = f"{low}-{high} GB", _why_qlora(row, expected)
            else:
                agrees = expected >= row.full_from * _GB
                quoted, why = f"{row.full_from}+ GB", _why_full(row, expected)
            found.append(
                Beside(
                    row.sizes, row.model, method, quoted, expected, estimate.safe_bytes, agrees, why
                )
            )
    return tuple(found)


def _why_qlora(row: Quoted, expected: int) -> str:
    if row.sizes == "70B":
        return (
            "54.9 to 75.6 GiB were measured for Qwen-72B in 4 bits: embeddings, head, activations "
            "and the loss stay in 16 or 32 bits, and grow with the rows"
        )
    if expected > row.qlora[1] * _GB:
        return "embeddings and head stay in 16 bits, and longer rows add activations"
    if expected < row.qlora[0] * _GB:
        return "a chunked loss and checkpointing hold less than the plain loss of older guides"
    return ""


def _why_full(row: Quoted, expected: int) -> str:
    each = expected / shape_of(row.model).parameters
    text = f"{each:.0f} bytes a parameter: weights, gradients and two AdamW states in float32"
    if row.sizes == "7-8B":
        text += (
            "; 18.9 to 74 GiB were measured, by optimizer (8-bit and paged states, 16-bit "
            "weights), length and loss kernel"
        )
    return text


def told(row: Beside) -> str:
    """One line: what is quoted, what is predicted, and the reason where they differ."""
    sign = "as" if row.agrees else "not as"
    reason = f": {row.why}" if row.why else ""
    return (
        f"{row.sizes} {row.method}: {size(row.expected_bytes)} expected, {sign} quoted "
        f"({row.quoted}){reason}"
    )
