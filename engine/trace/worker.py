"""The process that traces: reads an order from stdin, writes the result to stdout, both JSON.

Started by `trace.trace` as `python -m tunewright.engine.trace.worker`. Whatever libraries print
goes to stderr.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import msgspec

from tunewright.engine.trace.log import Trace
from tunewright.engine.trace.setup import Answer, Order, Refusal, TraceResult, TraceSetup
from tunewright.hardware.errors import Problem

_GROUPS = 24
_ROWS = {"sft": "rows", "dpo": "pairs, both answers"}


def main() -> None:
    out = os.dup(1)
    os.dup2(2, 1)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    given = answer(order)
    with os.fdopen(out, "wb") as file:
        file.write(msgspec.json.encode(given))


def answer(order: Order) -> Answer:
    """The result of an order, or why there is none."""
    try:
        return Answer(result=run(order))
    except Problem as problem:
        return Answer(refusal=Refusal(problem.what, problem.why, problem.cure))


def run(order: Order) -> TraceResult:
    """Trace one step in this process, which is changed for good: run it in one of its own."""
    import torch
    import transformers
    from torch._subclasses.fake_tensor import FakeTensorMode

    from tunewright.engine.trace import build, kernels, layers, replay
    from tunewright.engine.trace.optimizer import run_updates

    started = time.perf_counter()
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(1)
    setup = order.setup
    if setup.device == "cuda":
        kernels.emulate_cuda()
    else:
        kernels.emulate_cpu()
    kernels.know_masks(setup.has_mask)
    config = build.read_config(order.config)
    total = config.get_text_config().num_hidden_layers
    traced = total if _needs_all(config, setup) else layers.TRACED
    try:
        trace, shapes, trained = _traced(config, setup, traced, total)
    except layers.Unequal:
        traced = total
        trace, shapes, trained = _traced(config, setup, total, total)
    with FakeTensorMode():
        update = run_updates(shapes, setup)
    moments = replay.whole_run(
        trace, update.first, update.again, update.gradients, holds_output=setup.holds_output
    )
    cuda = setup.device == "cuda"
    peak = replay.replay(moments, cached=cuda, expandable_segments=setup.expandable_segments)
    return TraceResult(
        allocated_bytes=peak.allocated,
        reserved_bytes=peak.reserved if cuda else None,
        phases=peak.phases,
        peak_phase=peak.phase,
        items=replay.by_family(peak.standing, cuda),
        at_peak=replay.by_name(peak.standing, cuda, _GROUPS),
        trained_parameters=trained,
        layers=total,
        layers_traced=traced,
        seconds=time.perf_counter() - started,
        versions=_versions(),
        assumptions=_assumptions(order, traced, total),
    )


def _assumptions(order: Order, traced: int, total: int) -> tuple[str, ...]:
    setup = order.setup
    said = [
        f"{setup.micro_batch} {_ROWS[setup.trainer]} of {setup.seq_len} tokens"
        + (", joined into one" if setup.packed else "")
        + ", all as long as the longest; every token is trained on",
        "attention with a mask: rows differ in length or are packed"
        if setup.has_mask
        else "attention without a mask: no padding",
    ]
    if "text_config" in order.config:
        said.append("the language model alone: towers for images or sound are not traced")
    if setup.sharding == "ddp":
        said.append(
            f"DDP on {setup.devices} devices, after its first step, as transformers sets it: "
            "gradients are copied into buckets; NCCL's own buffers are not in it"
        )
    if setup.sharding == "fsdp":
        said.append(
            f"FSDP2 on {setup.devices} devices, each layer a unit; what streams let overlap is not "
            "modelled: one more gathered unit may stand"
        )
    if traced < total:
        said.append(f"{traced} equal layers were traced, and repeated to {total}")
    if setup.device == "cuda":
        said += [
            "not run on a GPU: kernels of attention, dropout, the loss and 4-bit products are "
            "stood for by the tensors that they keep; temporaries inside other kernels are not "
            "counted",
            "one size of batch, so the cache holds no blocks of other sizes; the CUDA context "
            "(0.3 to 0.6 GiB) is not in it",
        ]
    else:
        said.append("bytes of tensors; the process holds its libraries and freed blocks besides")
    return tuple(said)


def _needs_all(config: Any, setup: TraceSetup) -> bool:
    from tunewright.engine.trace import layers

    # A unit is gathered while its neighbour runs, so that layers at the edges reach far in.
    sharded = setup.sharding != "none"
    layered = setup.trainable == "all" or setup.adapter.get("peft_type") == "LORA"
    text = config.get_text_config()
    few = text.num_hidden_layers <= layers.TRACED + 1
    # Layers that attend differently take different masks.
    mixed = len(set(getattr(text, "layer_types", None) or ())) > 1
    return setup.every_layer or few or mixed or sharded or not layered


def _traced(
    config: Any, setup: TraceSetup, count: int, total: int
) -> tuple[Trace, dict[str, tuple[Any, Any]], int]:
    """The step's log, shape and dtype of what this rank trains by name, and how many parameters
    are trained in all."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    from tunewright.engine.trace import build, layers, shard, step

    model = build.build(build.with_layers(config, count), setup)
    reference = None
    if setup.holds_reference:
        reference = build.build(build.with_layers(config, count), setup).requires_grad_(False)
    prefix, _ = step.layer_list(model)
    with FakeTensorMode():
        trace = step.run_step(model, setup, reference)
    if count < total:
        trace = layers.repeat_layers(trace, prefix, total - count)
    shapes, trained = {}, 0
    of = dict(model.named_parameters())
    for name in trace.gradients:
        found = of.get(name)
        if found is None:
            found = of[layers.renumbered(name, prefix, 1)]
        trained += found.numel()
        mine = shard.local(found)
        shapes[name] = (mine.shape, mine.dtype)
    return trace, shapes, trained


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "peft", "trl")}


if __name__ == "__main__":
    main()
