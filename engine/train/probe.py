"""The stage `probe`: two real steps with the optimizer on the longest rows, in the worker.

What the step takes and how long it lasts is measured before hours are spent: the second step has
all states, and the longest batch that the rows can make is the one whose peak counts.
"""

from __future__ import annotations

import shutil
import time
from typing import Any

import msgspec

from tunewright.engine.pace import machine_of
from tunewright.engine.run.events import Progress
from tunewright.engine.run.job import Job, Stopped
from tunewright.engine.text import size
from tunewright.engine.train.finish import tell_peak
from tunewright.engine.train.peak import reset_host_peak
from tunewright.engine.train.registry import method as method_of
from tunewright.engine.train.sft import reset_gpu_peak, settle_threads
from tunewright.engine.train.token_files import token_files
from tunewright.engine.train.trainer import build_trainer, quiet_libraries
from tunewright.hardware.memory.calibration import MeasuredSpeed

STEPS = 2


class ProbeResult(msgspec.Struct, frozen=True):
    """Peaks in bytes of `peak_of`; the speed is that of the last step, of `rows` x `longest` tokens
    (padding counts) in `micro_batches` micro-batches. `verdict` is all of it in a sentence."""

    steps: int
    rows: int
    longest: int
    micro_batches: int
    peak_of: str
    predicted_peak_bytes: int
    safe_peak_bytes: int
    measured_peak_bytes: int
    tokens_per_second: float
    step_seconds: float
    verdict: str


def run(job: Job) -> None:
    """Take the two steps and write results/probe.json; nothing of them is kept. `Stopped` when
    asked to leave in between."""
    with token_files(job):
        _probe(job)


def _probe(job: Job) -> None:
    quiet_libraries()
    plan, recorded = job.session.plan, job.session.recorded
    assert plan is not None
    assert recorded is not None
    method = method_of(plan.method.value)
    reset_host_peak()
    # From the second micro-batch on the gradients of the first are there; more change nothing.
    micro_batches = min(2, plan.value("training.gradient_accumulation_steps"))
    folder = job.run_dir / "probe"
    trainer = build_trainer(
        job,
        method,
        folder,
        resuming=False,
        changes={
            "max_steps": STEPS,
            "gradient_accumulation_steps": micro_batches,
            "eval_strategy": "no",
            "eval_on_start": False,
            "save_strategy": "no",
            "load_best_model_at_end": False,
        },
    )
    settle_threads(job, trainer)
    lengths = [len(row) for row in trainer.train_dataset["input_ids"]]
    micro_batch = trainer.args.per_device_train_batch_size
    # All batches are the longest one, so their order is of no matter.
    longest = longest_rows(lengths, micro_batch)
    trainer.train_dataset = trainer.train_dataset.select(longest * (STEPS * micro_batches))
    trainer._get_train_sampler = lambda *_: None
    clock = _Clock(job)
    trainer.add_callback(_as_callback(clock))
    reset_gpu_peak(job.device)
    trainer.train()
    shutil.rmtree(folder, ignore_errors=True)  # the Trainer makes it, and saved nothing
    if clock.stopped is not None:
        raise Stopped(clock.stopped)
    width = max(lengths[index] for index in longest)
    seconds = clock.marks[-1] - clock.marks[-2]
    tokens = width * len(longest) * micro_batches
    speed = MeasuredSpeed(
        tokens_per_second=round(tokens / seconds, 2),
        parameters=recorded.model.parameters,
        seq_len=width,
        micro_batch=len(longest),
        machine=machine_of(plan, recorded),
    )
    what, predicted, safe, measured = tell_peak(job, method, speed)
    job.save_result(
        "probe",
        ProbeResult(
            steps=trainer.state.global_step,
            rows=len(longest),
            longest=width,
            micro_batches=micro_batches,
            peak_of=what,
            predicted_peak_bytes=predicted,
            safe_peak_bytes=safe,
            measured_peak_bytes=measured,
            tokens_per_second=speed.tokens_per_second,
            step_seconds=round(seconds, 3),
            verdict=_verdict(measured, predicted, speed),
        ),
    )


def _verdict(measured: int, predicted: int, speed: MeasuredSpeed) -> str:
    return (
        f"peak {size(measured)}, {measured / predicted - 1:+.0%} of the prediction; "
        f"{speed.tokens_per_second:,.0f} tokens/s: plans of this model here go by both from now on"
    )


def longest_rows(lengths: list[int], rows: int) -> list[int]:
    """The numbers of the `rows` longest rows, the longest first; of fewer rows all, again and again
    until there are enough."""
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))[:rows]
    return [order[index % len(order)] for index in range(rows)]


class _Clock:
    """When each step ended, and whether the person asked to stop in between."""

    def __init__(self, job: Job) -> None:
        self.marks: list[float] = []
        self.stopped: str | None = None
        self._job = job

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.marks.append(time.monotonic())

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.marks.append(time.monotonic())
        done = state.global_step
        self._job.emit(Progress(stage="probe", done=done, total=STEPS, unit="steps"))
        because = self._job.orders.stop_requested()
        if because is not None and done < STEPS:
            self.stopped = because
            control.should_training_stop = True


def _as_callback(clock: _Clock) -> Any:
    from transformers import TrainerCallback

    methods = {
        name: staticmethod(getattr(clock, name)) for name in ("on_train_begin", "on_step_end")
    }
    return type("ClockCallback", (TrainerCallback,), methods)()
