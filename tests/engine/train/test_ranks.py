"""Several processes train together: the losses of one, orders for all, and no rank left behind.

On gloo and the CPU, which stand for NCCL and GPUs.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jobs import build_job
from live import losses, pids, steps_done, until, until_ended, until_step
from tiny import TinyData
from train_jobs import Run

from tunewright.engine.plan import DEVICES, Decision
from tunewright.engine.run import control
from tunewright.engine.run.events import Checkpoint, Evaluated, Note, Sample, StageDone, Step
from tunewright.engine.run.launch import launch, resume
from tunewright.engine.run.reader import RunEvents
from tunewright.engine.run.rundir import LaunchOptions, RunDir, RunRecord
from tunewright.engine.run.view import view
from tunewright.engine.session import Session
from tunewright.engine.train import checkpoints, together
from tunewright.engine.train.ranks import ranks_of
from tunewright.hardware.errors import Problem

# Many more than pass while an order travels.
STEPS = 240
PYTHON = sys.executable
OPTIONS = LaunchOptions(threads={"train": 1})


def session_of(
    folder: Path, model: Path, data: TinyData, count: int, method: str = "lora", **more: Any
) -> Session:
    """Eight rows a step, in two micro-batches, on `count` processes."""
    overrides = more | {
        "training.max_steps": STEPS,
        "training.per_device_train_batch_size": 4 // count,
        "training.eval_steps": 40,
        "training.save_steps": 40,
    }
    if method == "lora":
        # Each rank draws of its own.
        overrides["lora.lora_dropout"] = 0.0
    session = Run(folder, model, data, method, overrides).session
    if count == 1:
        return session
    assert session.plan is not None
    shared = session.plan.settings | {DEVICES: Decision(count, "the test says so", "test")}
    return msgspec.structs.replace(
        session, plan=msgspec.structs.replace(session.plan, settings=shared)
    )


def ranks(run: RunDir) -> list[int]:
    """The pids of all ranks but the first that any attempt told of."""
    notes = [e.text for e in RunEvents(run.events).read_new() if isinstance(e, Note)]
    told = [text.split(" as pid ")[1].split(";")[0] for text in notes if " as pid " in text]
    return [int(pid) for pids in told for pid in pids.split(", ")]


def go_on(run: RunDir) -> None:
    until_step(run, steps_done(run) + 8)


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one_through_deaths_stops_and_resumes(
    tmp_path: Path, home: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    alone = launch(
        session_of(tmp_path / "a", tiny_model, tiny_data, 1), tmp_path, OPTIONS, tmp_path / "alone"
    )
    assert until_ended(alone) == "done"
    both = session_of(tmp_path / "b", tiny_model, tiny_data, 2)
    run = launch(both, tmp_path, OPTIONS, tmp_path / "both")

    def gone() -> bool:
        return not any(map(lives, ranks(run)))

    # The death of a rank ends the run and is told as what it was.
    go_on(run)
    (rank,) = ranks(run)
    assert os.getpgid(rank) == list(pids(run))[1]
    os.kill(rank, signal.SIGKILL)
    assert until_ended(run) == "failed"
    ended = view(run).ended
    assert ended is not None
    assert ended.what == "rank 1 died: signal 9 (SIGKILL)"
    assert "resume" in ended.cure
    assert gone()
    # A checkpoint and a stop reach all ranks at the same step.
    resume(run)
    go_on(run)
    control.send(run.control, "stop")
    assert until_ended(run) == "stopped"
    assert gone()
    # A pause holds all, and nobody outlives rank 0 and the supervisor.
    resume(run)
    go_on(run)
    control.send(run.control, "pause")
    until(lambda: view(run).state == "paused", "the pause")
    for pid in pids(run):
        os.kill(pid, signal.SIGKILL)
    assert until_ended(run) == "crashed"
    until(gone, "the end of the ranks")
    # Without a supervisor they write a checkpoint and leave.
    resume(run)
    go_on(run)
    os.kill(next(pids(run)), signal.SIGKILL)
    assert until_ended(run) == "crashed"
    assert gone()
    assert (run.exit).exists()
    resume(run)
    assert until_ended(run) == "done"
    assert gone()

    found, one = losses(run), losses(alone)
    assert list(found) == list(range(1, STEPS + 1))
    assert found == {step: pytest.approx(loss, rel=1e-3) for step, loss in one.items()}
    of_one, of_two = (list(RunEvents(each.events).read_new()) for each in (alone, run))
    tokens = {e.step: e.tokens for e in of_one if isinstance(e, Step)}
    assert {e.step: e.tokens for e in of_two if isinstance(e, Step)} == tokens
    evaluated = {e.step: e.eval_loss for e in of_one if isinstance(e, Evaluated)}
    assert evaluated
    assert {e.step: e.eval_loss for e in of_two if isinstance(e, Evaluated)} == {
        step: pytest.approx(loss, rel=1e-3) for step, loss in evaluated.items()
    }
    stopped = [e for e in of_two if isinstance(e, Checkpoint) and "stopping" in e.because]
    assert len(stopped) == 2
    last = checkpoints.inspect(run.path / "checkpoints" / f"checkpoint-{STEPS}")
    assert isinstance(last, checkpoints.Checkpoint)
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= last.manifest.files.keys()
    # One writer an attempt, besides the supervisor; the adapter is whole.
    writers = {p.name.partition("-")[2] for p in run.events.glob("*.jsonl")}
    assert writers == {"supervisor.jsonl", "worker0.jsonl"}
    assert (run.path / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "more"),
    [("full", {}), ("lora", {"training.activation_checkpointing": True})],
    ids=["full", "checkpointed"],
)
def test_other_ways_to_train_give_the_losses_of_one_process_too(
    tmp_path: Path,
    home: Path,
    tiny_model: Path,
    tiny_data: TinyData,
    method: str,
    more: dict[str, Any],
) -> None:
    found = []
    for count in (1, 2):
        session = session_of(tmp_path / str(count), tiny_model, tiny_data, count, method, **more)
        options = msgspec.structs.replace(OPTIONS, max_steps=12)
        run = launch(session, tmp_path, options, tmp_path / f"run-{count}")
        assert until_ended(run) == "done", view(run).ended
        found.append(losses(run))
    assert found[1] == {step: pytest.approx(loss, rel=1e-4) for step, loss in found[0].items()}
    assert list(found[1]) == list(range(1, 13))


@pytest.mark.slow
def test_rank_0_alone_answers_held_out_rows_and_the_others_wait_for_it(
    tmp_path: Path, home: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    found, asked = [], []
    for rows in (0, 2):
        more = {"evaluation.sample_rows": rows, "evaluation.sample_share": 1e6}
        session = session_of(tmp_path / str(rows), tiny_model, tiny_data, 2, **more)
        options = msgspec.structs.replace(OPTIONS, max_steps=50)
        run = launch(session, tmp_path, options, tmp_path / f"run-{rows}")
        assert until_ended(run) == "done", view(run).ended
        found.append(losses(run))
        events = RunEvents(run.events).read_new()
        asked.append([(e.step, e.row) for e in events if isinstance(e, Sample)])
    assert found[0] == found[1]
    assert asked == [[], [(step, row) for step in (0, 40, 50) for row in (0, 1)]]


@pytest.mark.slow
def test_the_other_stages_are_rank_0s_before_and_after(
    tmp_path: Path, home: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    session = session_of(tmp_path / "b", tiny_model, tiny_data, 2)
    measured = build_job(tmp_path / "m", tiny_model, tiny_data).session
    assert session.plan is not None
    assert measured.plan is not None
    plan = msgspec.structs.replace(
        session.plan,
        settings=measured.plan.settings | session.plan.settings,
        stages=measured.plan.stages,
    )
    session = msgspec.structs.replace(session, plan=plan, recorded=measured.recorded)
    threads = {"train": 1, "decode": 1, "prefill": 1}
    run = launch(session, tmp_path, LaunchOptions(threads=threads, max_steps=6), tmp_path / "run")
    assert until_ended(run) == "done", view(run).ended
    done = [e.stage for e in RunEvents(run.events).read_new() if isinstance(e, StageDone)]
    assert done == ["baseline", "train", "evaluate", "merge"]
    assert not any(map(lives, ranks(run)))


def test_a_rank_that_does_not_come_is_named_and_ended(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_model: Path,
    tiny_data: TinyData,
    written: Callable[[Path, str], str],
) -> None:
    job = Run(tmp_path / "run", tiny_model, tiny_data).job(lambda event: None)
    (tmp_path / "run" / "run.json").write_bytes(
        msgspec.json.encode(RunRecord(id="tiny-1", name="tiny", created=1.0))
    )
    lost = written(tmp_path / "lost", 'echo $$ > "$0.pid"\nexec sleep 1000')
    monkeypatch.setattr(together, "START_SECONDS", 1.0)
    monkeypatch.setattr("sys.executable", lost)
    with pytest.raises(Problem, match=r"rank 1 did not come within 1 s"), ranks_of(job, 2, None):
        pass
    assert not lives(int((tmp_path / "lost.pid").read_text()))
    died = written(tmp_path / "died", "kill -9 $$")
    monkeypatch.setattr(together, "START_SECONDS", 60.0)
    monkeypatch.setattr("sys.executable", died)
    with pytest.raises(Problem, match=r"rank 1 died: signal 9"), ranks_of(job, 2, None):
        pass
    full = (
        "os.write(json.loads(sys.argv[-1])['said'], json.dumps(dict(kind='failed', seq=0, time=0,"
    )
    full += " what='out of memory', why='w', cure='halve the batch', exit=1)).encode())"
    python = written(
        tmp_path / "full", f'exec {PYTHON} -c "import json, os, sys; {full}; exit(1)" "$@"'
    )
    monkeypatch.setattr("sys.executable", python)
    with pytest.raises(Problem, match=r"rank 1: out of memory") as told, ranks_of(job, 2, None):
        pass
    assert told.value.cure == "halve the batch"


@pytest.fixture
def written() -> Callable[[Path, str], str]:
    """Write an executable shell script; its path."""

    def write(path: Path, text: str) -> str:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return write
