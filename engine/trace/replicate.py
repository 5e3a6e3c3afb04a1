"""DDP on one rank of many that are not there: torch's real reducer over a fake process group.

transformers wraps as accelerate does: buckets beside the gradients (no gradient_as_bucket_view),
and unused parameters looked for unless a model of transformers checkpoints. Worker only.
"""

from __future__ import annotations

from typing import Any

import torch

from tunewright.engine.trace.record import Recorder
from tunewright.engine.trace.setup import TraceSetup
from tunewright.engine.trace.shard import join

# Limits of torch's buckets in bytes: the first is small so that its reduction starts early.
_LIMITS = [1 << 20, 25 << 20]


def replicate(model: Any, setup: TraceSetup, recorder: Recorder) -> Any:
    """`model`, whose parameters are fakes, in DistributedDataParallel; its buckets are logged."""
    import torch.distributed as distributed
    import torch.nn.parallel.distributed as parallel

    join(setup.devices)
    # Both look at values, which all ranks have alike.
    parallel._verify_param_shape_across_processes = lambda *_, **__: None
    parallel._sync_module_states = lambda *_, **__: None
    looks = not (setup.gradient_checkpointing and setup.trainable == "all")
    assign = distributed._compute_bucket_assignment_by_size
    if not looks:
        distributed._compute_bucket_assignment_by_size = _as_rebuilt(assign)
    recorder.enter("weights")
    try:
        with recorder, recorder.of("gradients"):
            wrapped = parallel.DistributedDataParallel(
                model, find_unused_parameters=looks, forward_sync_buffers=False
            )
    finally:
        distributed._compute_bucket_assignment_by_size = assign
    distributed._register_comm_hook(wrapped.reducer, None, _reduced)
    return wrapped


def _as_rebuilt(assign: Any) -> Any:
    """The buckets of every step but the first, for which torch makes one that holds all: in the
    order that gradients come in, taken to be the parameters' order backwards."""

    def assigned(parameters: list[Any], *_: Any) -> Any:
        order = list(reversed(range(len(parameters))))
        dense = [False] * len(order)
        found, limits = assign([parameters[i] for i in order], _LIMITS, dense, order)
        # DDP turns round what it is given.
        return found[::-1], limits[::-1]

    return assigned


def _reduced(_: Any, bucket: Any) -> Any:
    """Stands for the all-reduce, which works in place."""
    future: Any = torch.futures.Future()
    future.set_result(bucket.buffer())
    return future
