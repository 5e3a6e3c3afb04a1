"""Where the memory of a real step went: a CUDA memory history in the terms of a prediction. Pure.

The history is `torch.cuda.memory._snapshot()["device_traces"][0]`, whose structure the docstring of
that function gives (torch 2.13): events with `action`, `addr`, `size` and the Python `frames` that
led there, innermost first. A backward pass runs on a thread of autograd's own, so what it allocates
has no Python frames, but for what is computed anew under checkpointing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

# The caching allocator gives whole blocks of 512 bytes (CUDACachingAllocator.cpp, kMinBlockSize).
_BLOCK = 512
# By "file:function" of any frame, most telling first. The names of TRL's and transformers' losses
# are those of trl 1.16 and transformers 5.23.
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("optimizer", re.compile(r"/optim/\w+\.py:|/bitsandbytes/optim/")),
    ("clip", re.compile(r"clip_grad")),
    ("loss", re.compile(r"/trl/trainer/utils\.py:|loss_utils\.py:|:cross_entropy$|liger_kernel")),
    ("activations", re.compile(r":training_step$|/torch/utils/checkpoint\.py:")),
    ("weights", re.compile(r":from_pretrained$|:load_base$")),
    ("adapters", re.compile(r"/peft/|/sft_trainer\.py:__init__$|:build_trainer$")),
)


class Attribution(NamedTuple):
    """The highest sum of live bytes, and by line item what it was made of."""

    peak_bytes: int
    items: dict[str, int]


class _Block(NamedTuple):
    kind: str
    size: int
    born: int


def attribute(history: Sequence[Mapping[str, Any]]) -> Attribution:
    """Play the history; what stood at the highest sum, by the ids of a prediction's line items.

    What a backward pass allocates is a gradient when it lives until gradients are clipped or the
    optimizer runs, else "workspace"; and so is what a forward pass never gives back (cuBLAS's own).
    """
    blocks: dict[int, _Block] = {}
    ended: list[tuple[_Block, int]] = []
    uses: list[int] = []
    level = peak = 0
    at = -1
    for index, event in enumerate(history):
        if event["action"] == "alloc":
            size = max(1, -(-int(event["size"]) // _BLOCK)) * _BLOCK
            kind = _kind(event.get("frames", ()))
            if kind in ("optimizer", "clip"):
                uses.append(index)
            blocks[event["addr"]] = _Block(kind, size, index)
            level += size
            if level > peak:
                peak, at = level, index
        elif event["action"] == "free_requested":
            block = blocks.pop(event["addr"], None)
            # What was allocated before the recording began is not in it.
            if block is not None:
                ended.append((block, index))
                level -= block.size
    last = len(history)
    items: dict[str, int] = {}
    for block, death in [*ended, *((block, last) for block in blocks.values())]:
        if block.born <= at < death:
            kind = _in_time(block, death, uses, last)
            items[kind] = items.get(kind, 0) + block.size
    return Attribution(peak, items)


def _kind(frames: Iterable[Mapping[str, Any]]) -> str:
    stack = [f"{frame['filename']}:{frame['name']}" for frame in frames]
    # Frames of C++ have no Python file; a stack of nothing else is autograd's.
    stack = [place for place in stack if ".py:" in place]
    if not stack:
        return "backward"
    return next(
        (kind for kind, rule in _RULES if any(rule.search(place) for place in stack)), "other"
    )


def _in_time(block: _Block, death: int, uses: Sequence[int], last: int) -> str:
    """The line item of a block, by how long it lived."""
    used = any(block.born < use < death for use in uses)
    if block.kind == "backward":
        return "gradients" if used else "workspace"
    if block.kind == "clip" or (block.kind == "activations" and death == last and used):
        return "workspace"
    return block.kind


def wrong_term(predicted: Mapping[str, int], found: Mapping[str, int]) -> tuple[str, int, int]:
    """(line item, predicted bytes, found bytes) of the term that is furthest off."""
    ids = [*predicted, *(id for id in found if id not in predicted)]
    worst = max(ids, key=lambda id: abs(predicted.get(id, 0) - found.get(id, 0)))
    return worst, predicted.get(worst, 0), found.get(worst, 0)
