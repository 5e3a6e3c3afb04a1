"""CPU-seconds a token of the training loop alone: our stage, and the shortest plain TRL script.

Both train the same rows of the demo on the same model with the same settings, and both are measured
in the same way: CPU time of the process from the start of `Trainer.train` to its end, with one
thread: several of them wait for each other in a loop, which on a busy machine is most of the time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

STEPS = 4
BATCH = 8
LENGTH = 96
RATE = 5e-4


def loop_seconds(which: str, folder: Path) -> float:
    """CPU-seconds a token of one run in a process of its own."""
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, which, str(folder)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    tokens, seconds = done.stdout.strip().splitlines()[-1].split()
    return float(seconds) / int(tokens)


def _measured() -> dict[str, float]:
    """Have `Trainer.train` tell its CPU time, whoever calls it."""
    import transformers

    told: dict[str, float] = {}
    train = transformers.Trainer.train

    def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
        started = time.process_time()
        result = train(self, *args, **kwargs)
        told["seconds"] = time.process_time() - started
        told["tokens"] = (
            sum(len(row["input_ids"]) for row in list(self.train_dataset)) * self.state.epoch
        )
        return result

    transformers.Trainer.train = timed
    return told


def plain(folder: Path, model: Path, rows: list[dict[str, Any]]) -> None:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    torch.set_num_threads(1)
    SFTTrainer(
        model=str(model),
        args=SFTConfig(
            output_dir=str(folder / "plain"), use_cpu=True, bf16=False, max_steps=STEPS,
            per_device_train_batch_size=BATCH, learning_rate=RATE, lr_scheduler_type="linear",
            max_length=LENGTH, logging_steps=1, save_strategy="steps", save_steps=STEPS,
            disable_tqdm=True,
            gradient_checkpointing=False, optim="adamw_torch_fused",
        ),
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(
            r=16, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    ).train()  # fmt: skip


def ours(folder: Path, model: Path, rows: list[dict[str, Any]]) -> None:
    import json
    import shutil

    from tunewright.engine.planner import replan
    from tunewright.engine.run.events import EventWriter
    from tunewright.engine.run.job import Job
    from tunewright.engine.session import VERSION, DataInput, Inputs, Session
    from tunewright.engine.train import sft

    run_dir = folder / "ours"
    shutil.rmtree(run_dir, ignore_errors=True)
    run_dir.mkdir()
    data = folder / "train.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    overrides = {
        "training.max_steps": STEPS, "training.per_device_train_batch_size": BATCH,
        "training.gradient_accumulation_steps": 1, "training.learning_rate": RATE,
        "training.lr_scheduler_type": "linear", "training.max_length": LENGTH,
        "training.eval_strategy": "no", "training.load_best_model_at_end": False,
        "training.save_steps": 1000, "lora.r": 16, "lora.lora_alpha": 32,
        "lora.lora_dropout": 0.05, "training.optim": "adamw_torch_fused",
    }  # fmt: skip
    inputs = Inputs(
        name="bench", model=str(model), method="lora", overrides=overrides,
        data=DataInput(path=str(data), eval_path=str(data)),
    )  # fmt: skip
    session, _ = replan(Session(VERSION, inputs), folder, "here")
    with EventWriter(run_dir / "events" / "1-worker0.jsonl") as events:
        sft.run(
            Job(
                run_dir=run_dir, session=session, model_dir=model, attempt=1, device="cpu",
                emit=events.write, orders=_Nobody(), threads={"train": 1},
            )
        )  # fmt: skip


class _Nobody:
    """Orders of a run that nobody speaks to."""

    def stop_requested(self) -> None:
        return None

    def take_checkpoint_request(self) -> None:
        return None

    def wait_while_paused(self) -> None:
        return None


def main() -> None:
    import contextlib

    from tunewright.engine.demo.orders import make_orders
    from tunewright.engine.demo.smollm2 import ensure_demo_model
    from tunewright.engine.homes import cache_home

    which, folder = sys.argv[1], Path(sys.argv[2])
    model = ensure_demo_model(cache_home())
    rows = make_orders()[0][: STEPS * BATCH]
    with contextlib.redirect_stdout(sys.stderr):
        told = _measured()
        {"ours": ours, "plain": plain}[which](folder, model, rows)
    print(round(told["tokens"]), told["seconds"])


if __name__ == "__main__":
    main()
