"""The models that a run measures: its base and what it trained, loaded as training loads them."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

from tunewright.engine.run.job import Job
from tunewright.hardware.errors import Exit, Problem


def load_base(job: Job) -> Any:
    """The base model on the run's device, in the number format that training holds it in.

    For QLoRA that is 4-bit: base and tuned model are then measured on the same weights.
    """
    return load_model(job, job.model_dir)


def load_tuned(job: Job) -> Any:
    """The trained model: the adapter of this run on its base, or its fully fine-tuned model."""
    adapter, whole = job.run_dir / "adapter", job.run_dir / "model"
    if adapter.is_dir():
        return load_adapter(load_base(job), adapter)
    if whole.is_dir():
        return load_model(job, whole)
    raise Problem(
        "there is no trained model in this run",
        why="neither adapter/ nor model/ is in the run directory, so training has not finished",
        cure="train first: put train among --stages, or resume the run",
        exit=Exit.FAILED,
    )


def load_model(job: Job, folder: Path) -> Any:
    """A causal language model of `folder` in the planned number format, ready to be measured."""
    from tunewright.engine.train import loading

    assert job.session.plan is not None
    return loading.load_base(
        folder,
        job.device,
        dtype=job.setting("model.dtype"),
        attention=job.setting("model.attn_implementation"),
        quantization=job.session.plan.group("quantization"),
    ).eval()


def load_adapter(base: Any, adapter: Path) -> Any:
    """`base` with the adapter of that folder beside its weights (not merged)."""
    from peft import PeftModel

    return PeftModel.from_pretrained(base, adapter).eval()


def release() -> None:
    """Give back the memory of models that are no longer referenced."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
