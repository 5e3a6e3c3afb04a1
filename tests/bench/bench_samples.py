"""What answers to held-out rows cost a training of the tiny model, in seconds of CPU."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tiny import TinyData
from train_jobs import Run

from tunewright.engine.run.events import Sample

STEPS = 240


def bench_samples(
    row: Callable[..., None],
    pairs: Callable[..., tuple[float, float, str]],
    model: Path,
    data: TinyData,
) -> None:
    """CPU-seconds of a training with an evaluation every 40 steps: as planned, and without answers.

    Of the process, since others on the machine would drown the difference in wall time."""
    told: list[Sample] = []

    def training(overrides: dict[str, object]) -> Callable[[], float]:
        def run() -> float:
            with tempfile.TemporaryDirectory() as folder:
                more = {
                    "training.max_steps": STEPS,
                    "training.eval_steps": 40,
                    "training.save_steps": 200,
                }
                one = Run(Path(folder) / "run", model, data, overrides=more | overrides)
                started = time.process_time()
                one.train()
                took = time.process_time() - started
                told.extend(one.of(Sample))
                return took

        return run

    ours, plain, ratio = pairs(training({}), training({"evaluation.sample_rows": 0}), 6)
    row(f"{STEPS} steps of the tiny model, CPU-s", ours, plain, ratio)
    cost = sum(sample.seconds or 0.0 for sample in told) / 7
    row("  of it answers as the events tell, s a run", cost)
