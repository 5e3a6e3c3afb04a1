"""A published serving figure as the input of the serving estimator."""

from __future__ import annotations

import re
from typing import NamedTuple

from sizing_names import storage_named
from sizing_rows import GIB, Case, Unclear

from tunewright.hardware.memory.serving import (
    ServingSetup,
    estimate_generate,
    estimate_serving,
    kv_bytes_per_token,
    model_bytes,
)
from tunewright.hardware.memory.storage import quantised_bytes


class ServingFigure(NamedTuple):
    """Bytes: what is expected, and the bound to plan with."""

    expected: int
    safe: int


# litgpt generates 50 tokens from a short prompt, as its table says.
_LITGPT_TOKENS = 50 + 30


def serving_figure(case: Case) -> ServingFigure:
    """What the row measures: the KV cache of so many tokens, what vLLM holds beside its cache, or
    what transformers and litgpt hold at the end of a generation."""
    row, shape = case.row, case.shape
    extra, method = row["extra"], row["method"]
    if method == "kv":
        kv = "fp8" if "fp8" in str(extra.get("kv_dtype")) else "bfloat16"
        if not isinstance(extra.get("tokens"), int):
            raise Unclear("the number of tokens is not said")
        size = extra["tokens"] * kv_bytes_per_token(shape, kv, row["n_gpus"] or 1)
        return ServingFigure(size, int(size * 1.01))
    weights = storage_named(row["weight_dtype"])
    if weights is None:
        raise Unclear(f"weights in {row['weight_dtype']}")
    if method == "serve":
        found = re.search(r"v0\.(\d+)", row["notes"])
        setup = ServingSetup(
            weights=weights,  # type: ignore[arg-type]
            version=int(found[1]) if found else 19,
            parallel=row["n_gpus"] or 1,
            batched_tokens=row["seq_len"] or 8192,
        )
        needed = estimate_serving(shape, setup, 80 * GIB).needed
        return ServingFigure(needed.expected_bytes, needed.safe_bytes)
    if method not in ("infer", "inference", "generate"):
        raise Unclear(f"serving method {method}")
    if row["family"].startswith("litgpt"):
        return _litgpt(case, weights)
    tokens = row["seq_len"]
    if tokens is None:
        raise Unclear("the number of tokens is not said")
    inp = min(tokens, extra.get("inp") or tokens)
    estimate = estimate_generate(shape, weights, row["micro_batch"] or 1, inp, tokens - inp)  # type: ignore[arg-type]
    # These rows fall below weights, cache and one layer's prefill together, so they were read while
    # decoding.
    expected = estimate.decoding_bytes
    return ServingFigure(expected, int(max(expected, estimate.prefill_bytes) * 1.03))


def _litgpt(case: Case, weights: str) -> ServingFigure:
    """litgpt keeps head and embeddings apart and quantises the head too, which it then unpacks, and
    once more by `.to(dtype).t()`: the peak of a short generation."""
    shape, row = case.shape, case.row
    head = shape.vocab_size * shape.hidden_size
    if weights == "nf4":
        double = row["weight_dtype"] != "nf4"
        linear = sum(m.in_features * m.out_features * m.count for m in shape.linears)
        held = quantised_bytes(linear + head, "nf4", double) + 2 * head + 4 * head
    else:
        tied = 2 * head if shape.tie_word_embeddings else 0
        held = model_bytes(shape, weights) + tied  # type: ignore[arg-type]
    total = held + _LITGPT_TOKENS * kv_bytes_per_token(shape)
    return ServingFigure(total, int(total * 1.06))
