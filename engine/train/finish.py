"""After the last step: the artefact on disk and what the run gave as a result."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from tunewright.engine.measured_peaks import remember
from tunewright.engine.pace import machine_of
from tunewright.engine.run.events import Memory
from tunewright.engine.run.job import Job
from tunewright.engine.train import checkpoints
from tunewright.engine.train.method import Method
from tunewright.engine.train.peak import host_peak_bytes
from tunewright.engine.train.result import TrainResult
from tunewright.engine.train.together import processes
from tunewright.engine.train.watch import Watch
from tunewright.hardware.memory.calibration import (
    Measured,
    MeasuredSpeed,
    key_of,
    predicted_for,
)


def save_artefact(job: Job, method: Method, trainer: Any) -> None:
    """Write the adapter as peft does, or the whole model, with tokenizer and template."""
    import torch

    place = job.run_dir / method.makes
    fresh = job.run_dir / f".{method.makes}.new"
    for old in (fresh, place):
        if old.exists():
            shutil.rmtree(old)
    model = trainer.accelerator.unwrap_model(trainer.model)
    if method.makes == "adapter":
        model.peft_config["default"].base_model_name_or_path = str(job.model_dir)
    else:
        stored = _stored_dtype(job)
        if stored is not None:
            model = model.to(getattr(torch, stored))
    model.save_pretrained(fresh)
    trainer.processing_class.save_pretrained(fresh)
    fresh.rename(place)


def _stored_dtype(job: Job) -> str | None:
    """The 16-bit format of the base on disk: a tuned model is as large as the model it was."""
    recorded = job.session.recorded
    dtype = recorded.model.weights_dtype if recorded else None
    return dtype if dtype in ("bfloat16", "float16") else None


def report(
    job: Job,
    method: Method,
    trainer: Any,
    watch: Watch,
    threads: int,
    resumed: checkpoints.Checkpoint | None,
) -> None:
    """Tell the peak beside its prediction and write results/train.json."""
    what, predicted, safe, measured = tell_peak(job, method, _speed(job, watch))
    state = trainer.state
    losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
    evaluations = {
        str(entry["step"]): entry["eval_loss"]
        for entry in state.log_history
        if "eval_loss" in entry
    }
    kept = state.global_step
    if trainer.args.load_best_model_at_end and state.best_model_checkpoint:
        kept = int(Path(state.best_model_checkpoint).name.rpartition("-")[2])
    parameters = [(p.numel(), p.requires_grad) for p in trainer.model.parameters()]
    job.save_result(
        "train",
        TrainResult(
            method=method.id,
            artefact=method.makes,
            steps=state.global_step,
            total_steps=state.max_steps,
            epochs=round(state.epoch or 0.0, 4),
            kept_step=kept,
            first_loss=losses[0] if losses else None,
            final_loss=losses[-1] if losses else None,
            final_eval_loss=list(evaluations.values())[-1] if evaluations else None,
            best_eval_loss=min(evaluations.values()) if evaluations else None,
            eval_losses=evaluations,
            tokens=state.num_input_tokens_seen,
            seconds=round(watch.seconds, 3),
            trainable_parameters=sum(n for n, trains in parameters if trains),
            total_parameters=sum(n for n, _ in parameters),
            threads=threads,
            peak_of=what,
            predicted_peak_bytes=predicted,
            safe_peak_bytes=safe,
            measured_peak_bytes=measured,
            resumed_from=resumed.step if resumed else None,
        ),
    )


def _speed(job: Job, watch: Watch) -> MeasuredSpeed | None:
    """The speed of the last steps, for later plans of this model here."""
    plan, recorded, rate = job.session.plan, job.session.recorded, watch.tokens_per_second
    # What later plans go by is one process on one device.
    if plan is None or recorded is None or rate is None or processes(plan) > 1:
        return None
    return MeasuredSpeed(
        tokens_per_second=round(rate, 2),
        parameters=recorded.model.parameters,
        seq_len=min(plan.value("training.max_length"), recorded.data.length_max),
        micro_batch=plan.value("training.per_device_train_batch_size"),
        machine=machine_of(plan, recorded),
    )


def tell_peak(
    job: Job, method: Method, speed: MeasuredSpeed | None = None
) -> tuple[str, int, int, int]:
    """Tell the peak beside its prediction and store both: (which figure, predicted, safe bound,
    measured), bytes."""
    assert job.session.plan is not None
    estimate = job.session.plan.chosen().estimate
    what, measured = _measured_peak(job)
    predicted = predicted_for(estimate, what)
    safe = estimate.safe_bytes
    if what == "gpu allocated" and estimate.allocated is not None:
        safe = estimate.allocated.safe_bytes
    _remember_peak(job, method, what, predicted, measured, speed)
    job.emit(
        Memory(
            what=what,
            predicted_bytes=predicted,
            safe_bytes=safe,
            measured_bytes=measured,
        )
    )
    return what, predicted, safe, measured


def _measured_peak(job: Job) -> tuple[Any, int]:
    if job.device != "cuda":
        return "host rss", host_peak_bytes()
    import torch

    return "gpu allocated", torch.cuda.max_memory_allocated()


def _remember_peak(
    job: Job,
    method: Method,
    what: str,
    predicted: int,
    measured: int,
    speed: MeasuredSpeed | None,
) -> None:
    """Store the measured peak beside its prediction: three of a kind correct the next one."""
    recorded = job.session.recorded
    if recorded is None:
        return
    packages = recorded.environment.packages
    remember(
        Measured(
            key=key_of(method.id, recorded.model.model_type, job.device, packages),
            predicted_bytes=predicted,
            measured_bytes=measured,
            of=what,
            run=job.run_dir.name,
            at=time.time(),
            speed=speed,
        )
    )
