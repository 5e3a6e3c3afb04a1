"""Machines, rows and a model to size by hand: Llama-3 8B on one GPU, where all verdicts occur."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tunewright.engine.data.assumed import assumed_facts
from tunewright.engine.plan import Plan
from tunewright.engine.planner import make_plan
from tunewright.engine.session import DataInput, Environment, Inputs, Recorded
from tunewright.engine.sizing import WhatIf
from tunewright.hardware.shapes import ModelShape
from tunewright.hardware.snapshot import Gpu, Host, Snapshot

sys.path.insert(0, str(Path(__file__).parent / "hardware"))

from known_models import LLAMA_3_8B

GIB = 1 << 30


def gpu(free: float, total: float = 24, index: int = 0) -> Gpu:
    """One Ada GPU with `free` GiB of `total`."""
    return Gpu(
        index=index,
        uuid=f"GPU-{index}",
        name="NVIDIA GeForce RTX 4090",
        total_bytes=int(total * GIB),
        free_bytes=int(free * GIB),
        used_bytes=int((total - free) * GIB),
        compute_capability=(8, 9),
    )


def snapshot(gpus: tuple[Gpu, ...] = (), ram: float = 64) -> Snapshot:
    """A machine that was invented, with `ram` GiB available of 96."""
    host = Host(
        hostname="box",
        cpu_model="a CPU",
        cores=16,
        cpu_features=("avx2",),
        ram_total_bytes=96 * GIB,
        ram_available_bytes=int(ram * GIB),
    )
    return Snapshot(taken_at=0.0, host=host, gpus=gpus, simulated=True)


def recorded(
    shape: ModelShape = LLAMA_3_8B, gpus: tuple[Gpu, ...] = (), longest: int | None = None
) -> Recorded:
    """What a plan is made from, with 1,000 rows of up to 2,048 (or `longest`) tokens."""
    environment = Environment(python="3.11", platform="linux", packages={}, cpu_features=())
    facts = assumed_facts(None, longest)
    return Recorded(snapshot(gpus), environment, facts, shape)


def inputs(**changes: Any) -> Inputs:
    return Inputs(**({"name": "x", "model": "m", "data": DataInput(path="d")} | changes))


def what_if(free: float | None = 21.4, **changes: Any) -> WhatIf:
    """Llama-3 8B: with 21.4 GiB free LoRA is tight, QLoRA fits, full fine-tuning does not."""
    return WhatIf(inputs(**changes), recorded(gpus=() if free is None else (gpu(free),)))


def whole_plan(free: float | None = 21.4) -> tuple[Plan, Recorded]:
    known = recorded(gpus=() if free is None else (gpu(free),))
    return make_plan(inputs(), known), known
