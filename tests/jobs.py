"""A `Job` for tests of stages: tiny model and data, a hand-made plan, orders a test gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny import TinyData

from tunewright.engine.data.example import DataFacts
from tunewright.engine.plan import Decision, MethodFit, Plan, PlannedStage
from tunewright.engine.prove.defaults import default_settings
from tunewright.engine.run.events import Event, EventWriter, Step
from tunewright.engine.run.job import Job
from tunewright.engine.run.rundir import ExitRecord, RunDir, RunRecord, write_exit, write_record
from tunewright.engine.session import (
    VERSION,
    DataInput,
    Environment,
    Inputs,
    Recorded,
    Session,
    encode_session,
)
from tunewright.engine.train.result import TrainResult
from tunewright.hardware.memory.estimate import MemoryEstimate, MemoryItem
from tunewright.hardware.shapes import read_shape
from tunewright.hardware.snapshot import Host, Snapshot

FACTS = DataFacts(
    format="prompt_completion",
    rows=48,
    eval_rows=12,
    train_tokens=2160,
    trained_tokens=1200,
    length_p50=45,
    length_p95=50,
    length_max=52,
    answer_p95=26,
    answer_max=28,
    multi_turn_rows=0,
    duplicate_rows=0,
    rendering="chat",
    answers="json",
    template_sha256=None,
)


class GivenOrders:
    """Orders as a test wants them: stop after so many looks, or never."""

    def __init__(self, stop_after: int | None = None) -> None:
        self._left = stop_after

    def stop_requested(self) -> str | None:
        if self._left is None:
            return None
        self._left -= 1
        return "asked to stop" if self._left < 0 else None

    def take_checkpoint_request(self) -> str | None:
        return None

    def wait_while_paused(self) -> None:
        return None


def build_job(
    run_dir: Path,
    model: Path,
    data: TinyData,
    *,
    events: list[Event] | None = None,
    orders: GivenOrders | None = None,
    method: str = "lora",
    settings: dict[str, Any] | None = None,
    threads: dict[str, int] | None = None,
) -> Job:
    """A CPU job on 6 held-out rows with 8 new tokens, unless `settings` say otherwise."""
    chosen = {
        "model.dtype": "float32",
        "model.attn_implementation": "sdpa",
        "loss.on": "completion",
        "training.max_length": 128,
        "training.learning_rate": 2e-4,
        "evaluation.rows": 6,
        "evaluation.max_new_tokens": 8,
        "evaluation.batch_size": 4,
        "evaluation.shots": 2,
        "merge.verify_rows": 3,
        **(settings or {}),
    }
    decisions = {
        **default_settings(FACTS),
        **{key: Decision(value, "the test says so", "test") for key, value in chosen.items()},
    }
    estimate = MemoryEstimate(
        items=(MemoryItem("weights", 2**20, "a test"),),
        expected_bytes=2**20,
        low_bytes=2**19,
        high_bytes=2**21,
        safe_bytes=2**21,
        assumptions=("none",),
    )
    plan = Plan(
        method=Decision(method, "the test says so", "test"),
        device=Decision("cpu", "no GPU", "test"),
        settings=decisions,
        stages=tuple(PlannedStage(id, id) for id in ("baseline", "train", "evaluate", "merge")),
        fits=(MethodFit(method, "fits", 2**30, estimate),),
    )
    snapshot = Snapshot(
        taken_at=0.0,
        host=Host("box", "a cpu", 2, ("avx2",), 2**33, 2**32),
    )
    session = Session(
        version=VERSION,
        inputs=Inputs(
            name="tiny",
            model=str(model),
            data=DataInput(path=str(data.train), eval_path=str(data.eval)),
        ),
        plan=plan,
        recorded=Recorded(
            snapshot=snapshot,
            environment=Environment("3.11", "linux x86_64", {"torch": "2.13.0"}, ("avx2",)),
            data=FACTS,
            model=read_shape(model),
        ),
    )
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Job(
        run_dir=run_dir,
        session=session,
        model_dir=model,
        attempt=1,
        device="cpu",
        emit=(events if events is not None else []).append,
        orders=orders or GivenOrders(),
        threads={"decode": 1, "prefill": 1} if threads is None else threads,
    )


def write_adapter(model: Path, folder: Path, *, scale: float = 0.3, seed: int = 1) -> Path:
    """A LoRA adapter whose B matrices are not zero, as after training; returns its folder."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tuned = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=scale)
    tuned.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return folder


def start_run(run_dir: Path, job: Job) -> RunDir:
    run = RunDir(run_dir)
    run.session.write_bytes(encode_session(job.session))
    run.events.mkdir(exist_ok=True)
    run.results.mkdir(exist_ok=True)
    write_record(run, RunRecord(id="tiny-1", name="tiny", created=1.0))
    return run


def train_result() -> TrainResult:
    return TrainResult(
        method="lora", artefact="adapter", steps=40, total_steps=40, epochs=2.0, kept_step=30,
        first_loss=3.0, final_loss=1.0, final_eval_loss=1.2, best_eval_loss=1.1,
        eval_losses={"30": 1.1}, tokens=4000, seconds=20.0, trainable_parameters=1000,
        total_parameters=100_000, threads=2, peak_of="host rss", predicted_peak_bytes=2**20,
        safe_peak_bytes=2**21, measured_peak_bytes=int(1.1 * 2**20),
    )  # fmt: skip


def finish_run(run_dir: Path, model: Path, data: TinyData) -> Path:
    """A run directory with real results of every stage but a made-up training; returns it."""
    from tunewright.engine.prove import baseline, evaluate
    from tunewright.engine.ship import merge

    write_adapter(model, run_dir / "adapter")
    job = build_job(run_dir, model, data)
    run = start_run(run_dir, job)
    baseline.run(job)
    job.save_result("train", train_result())
    with EventWriter(run.events / "1-worker0.jsonl") as events:
        for step in range(1, 41):
            events.write(
                Step(
                    step=step, total_steps=40, epoch=step / 20, loss=3.0 - step / 20,
                    learning_rate=1e-4, grad_norm=1.0, tokens=100 * step, tokens_per_second=200.0,
                    step_seconds=0.5,
                )
            )  # fmt: skip
    evaluate.run(job)
    merge.run(job)
    write_exit(run, ExitRecord("done", 0, 1, 2.0, "done"))
    return run_dir
