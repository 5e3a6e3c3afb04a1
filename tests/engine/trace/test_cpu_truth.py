"""The trace against real steps on this CPU, by the profiler's account of every tensor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from traced import full, llama, step, traced

from tunewright.engine.trace.setup import Order, TraceSetup

sys.path.insert(0, str(Path(__file__).parents[2]))

from real_step import measure

ON_CPU: dict[str, Any] = {
    "device": "cpu",
    "weights": "float32",
    "compute": "float32",
    "autocast": None,
    "loss": "plain",
    "optimizer": "adamw_torch",
    "seq_len": 256,
}
DPO_ON_CPU = ON_CPU | {"loss": "chunked", "trainer": "dpo", "masked": True}
STEPS: dict[str, TraceSetup] = {
    "lora": step(**ON_CPU),
    "lora, one row": step(**ON_CPU | {"micro_batch": 1}),
    "lora, masked": step(**ON_CPU, masked=True),
    "lora, checkpointed": step(**ON_CPU, gradient_checkpointing=True),
    "full": full(**ON_CPU),
    "full, checkpointed": full(**ON_CPU, gradient_checkpointing=True),
    # TRL's DPOTrainer from its start: the first without a reference model, the second with one.
    "dpo": step(**DPO_ON_CPU),
    "dpo, full, checkpointed": full(**DPO_ON_CPU, gradient_checkpointing=True),
    # Two real processes over gloo; the trace has one, and a process group that is made up.
    "sharded": full(**ON_CPU, sharding="fsdp", devices=2),
    "sharded, checkpointed": full(
        **ON_CPU, sharding="fsdp", devices=2, gradient_checkpointing=True
    ),
    "replicated, checkpointed": full(
        **ON_CPU, sharding="ddp", devices=2, gradient_checkpointing=True
    ),
}


@pytest.mark.slow
def test_the_trace_is_within_one_percent_of_the_profiler() -> None:
    config = llama(6, vocab_size=2000)
    found = traced({name: Order(config, setup) for name, setup in STEPS.items()})
    apart = {}
    for name, setup in STEPS.items():
        # A thread of gloo's frees what it copied; where it is late on a busy machine, that stands
        # beside the next copy. So the lowest of a few real steps is the step's own peak.
        for _ in range(1 if setup.sharding == "none" else 4):
            real = measure(config, msgspec.to_builtins(setup)).allocated
            apart[name] = max(apart.get(name, -1.0), found[name].allocated_bytes / real - 1)
            if abs(apart[name]) <= 0.01:
                break

    assert max(map(abs, apart.values())) <= 0.01, apart
