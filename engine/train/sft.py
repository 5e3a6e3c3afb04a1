"""The stage `train`: supervised fine-tuning through TRL, resumable, with every step told.

What is trained are the ids and labels that our own renderer made, so what a preview showed is what
is learned. Imports the heavy stack inside its functions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tunewright.engine.run.events import Note, Warned
from tunewright.engine.run.job import Job, Stopped
from tunewright.engine.train import checkpoints
from tunewright.engine.train.finish import report, save_artefact
from tunewright.engine.train.peak import reset_host_peak
from tunewright.engine.train.ranks import ranks_of
from tunewright.engine.train.registry import method as method_of
from tunewright.engine.train.samples import sampler_of
from tunewright.engine.train.threads import fastest_threads, record_threads, recorded_threads
from tunewright.engine.train.together import processes
from tunewright.engine.train.token_files import token_files
from tunewright.engine.train.trainer import build_trainer, quiet_libraries
from tunewright.engine.train.watch import Watch, as_callback
from tunewright.hardware.errors import Exit, Problem


def run(job: Job) -> None:
    """Train as the plan says, from the newest good checkpoint if there is one.

    Writes `adapter/` or `model/` and results/train.json. `Stopped` when asked to leave, with a
    checkpoint to go on from; `Problem` when training was lost.
    """
    from tunewright.engine.ship.card import write_cards

    quiet_libraries()
    plan = job.session.plan
    assert plan is not None
    method = method_of(plan.method.value)
    reset_host_peak()
    folder = job.run_dir / "checkpoints"
    folder.mkdir(mode=0o700, exist_ok=True)
    resumed = _find_checkpoint(job, folder)
    finished = resumed is not None and _is_last(job, resumed)
    count = 1 if finished else processes(plan)
    with token_files(job), ranks_of(job, count, resumed.path if resumed else None) as group:
        trainer = build_trainer(job, method, folder, resuming=resumed is not None, group=group)
        threads = settle_threads(job, trainer)
        if group is not None:
            group.told([threads])
            group.add_before(trainer)
        watch = Watch(
            job,
            keep=plan.value("training.save_total_limit") or _ALL,
            readable=_read_back,
            resumed=resumed,
            gpu_memory=_gpu_memory if job.device == "cuda" else None,
            sampler=None if finished else sampler_of(job, trainer.model, resumed is not None),
        )
        trainer.add_callback(as_callback(watch))
        if group is not None:
            group.add_after(trainer)
        because = job.orders.stop_requested()
        if because is not None:
            raise Stopped(because)
        if resumed is not None and finished:
            _take_finished(trainer, resumed.path)
        else:
            reset_gpu_peak(job.device)
            trainer.train(resume_from_checkpoint=str(resumed.path) if resumed else None)
        if group is not None:
            group.leave()
    if watch.problem is not None:
        raise watch.problem
    if watch.stop_reason is not None:
        raise Stopped(watch.stop_reason)
    save_artefact(job, method, trainer)
    report(job, method, trainer, watch, threads, resumed)
    # Of the README that peft wrote: it names a path of this machine.
    write_cards(job)


_ALL = 1_000_000  # checkpoints: no limit


def _find_checkpoint(job: Job, folder: Path) -> checkpoints.Checkpoint | None:
    found, torn = checkpoints.newest_good(folder)
    for one in torn:
        job.emit(
            Warned(
                what=f"{one.path.name} cannot be used",
                why=one.why,
                cure=f"going on from {found.path.name}" if found else "starting from step 0",
            )
        )
    checkpoints.discard(torn)
    if found is not None:
        job.emit(Note(text=f"going on from step {found.step}"))
    return found


def _is_last(job: Job, checkpoint: checkpoints.Checkpoint) -> bool:
    """Was this written after the step at which the attempt is done?"""
    state = json.loads((checkpoint.path / "trainer_state.json").read_text())
    total: int = state["max_steps"]
    return checkpoint.step >= min(total, job.max_steps or total)


def _take_finished(trainer: Any, path: Path) -> None:
    """Load what an attempt that was cut off after its last step had trained."""
    from transformers import TrainerState

    trainer.state = TrainerState.load_from_json(str(path / "trainer_state.json"))
    best = path.parent / f"checkpoint-{trainer.state.best_global_step}"
    if trainer.args.load_best_model_at_end and best.is_dir():
        trainer.state.best_model_checkpoint = str(best)
        path = best
    trainer._load_from_checkpoint(str(path))


def settle_threads(job: Job, trainer: Any) -> int:
    """Take the recorded number of CPU threads, or probe which trains fastest and record it."""
    import torch

    results = job.run_dir / "results"
    threads = job.threads.get("train") or recorded_threads(results).get("train")
    if threads is None and job.device == "cpu":
        threads = fastest_threads(torch.get_num_threads(), lambda count: _trial(trainer, count))
    threads = threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    record_threads(results, "train", threads)
    return threads


def _trial(trainer: Any, threads: int) -> None:
    """One forward and backward pass over the first rows; leaves no gradient and no random draw."""
    import torch

    torch.set_num_threads(threads)
    rows = [trainer.train_dataset[i] for i in range(min(4, len(trainer.train_dataset)))]
    batch = trainer.data_collator(rows)
    with torch.random.fork_rng(devices=[]):
        trainer.model.train()
        output = trainer.model(**batch, use_cache=False, fused_lm_head=True)
        (-output.log_probs.sum()).backward()
    trainer.model.zero_grad(set_to_none=True)


def _read_back(folder: Path) -> None:
    """Open a checkpoint the way a resume will; maps the files instead of reading them."""
    import torch
    from safetensors import safe_open

    try:
        for path in folder.glob("*.safetensors"):
            with safe_open(path, framework="pt") as file:
                list(file.keys())
        torch.load(folder / "optimizer.pt", map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise Problem(
            f"the first checkpoint, {folder.name}, cannot be loaded back",
            why=str(error).splitlines()[0],
            cure="put the run on another disk with --run-dir",
            exit=Exit.FAILED,
        ) from error


def _gpu_memory() -> tuple[int, int]:
    import torch

    return torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()


def reset_gpu_peak(device: str) -> None:
    """Start torch's high-water marks again."""
    if device != "cuda":
        return
    import torch

    torch.cuda.reset_peak_memory_stats()
