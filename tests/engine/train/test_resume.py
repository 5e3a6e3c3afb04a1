"""A run that was interrupted gives the losses of one that was not, digit for digit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny import TinyData
from train_jobs import Run, Script

from tunewright.engine.run.events import Checkpoint, Evaluated, Step, Warned
from tunewright.engine.run.job import Stopped
from tunewright.engine.train.result import TrainResult

PACKED = {
    "training.packing": True,
    "training.max_length": 128,
    "training.per_device_train_batch_size": 1,
}


def interrupted(run: Run, orders: Script) -> None:
    with pytest.raises(Stopped, match="asked"):
        run.train(orders)


def tokens(run: Run) -> dict[int, int]:
    return {event.step: event.tokens for event in run.of(Step)}


@pytest.mark.parametrize(
    ("method", "overrides"),
    [
        ("lora", {}),
        ("full", {}),
        ("qlora", {}),
        ("lora", PACKED),
        ("lora", {"training.activation_checkpointing": True}),
    ],
    ids=["lora", "full", "qlora", "packed", "checkpointed"],
)
def test_losses_evaluations_and_tokens_go_on_as_if_nothing_had_happened(
    tmp_path: Path,
    tiny_model: Path,
    tiny_data: TinyData,
    method: str,
    overrides: dict[str, Any],
) -> None:
    whole = Run(tmp_path / "whole", tiny_model, tiny_data, method, overrides)
    whole.train()
    parts = Run(tmp_path / "parts", tiny_model, tiny_data, method, overrides)
    losses: dict[int, float | None] = {}
    counted: dict[int, int] = {}
    evaluated: dict[int, float] = {}
    # Once inside the first epoch, once inside the second.
    for orders in (Script(stop_at=3), Script(stop_at=5), None):
        if orders:
            interrupted(parts, orders)
        else:
            parts.train()
        assert not losses.keys() & parts.losses.keys()
        losses |= parts.losses
        counted |= tokens(parts)
        evaluated |= {event.step: event.eval_loss for event in parts.of(Evaluated)}

    assert losses == whole.losses
    assert counted == tokens(whole)
    assert evaluated == {event.step: event.eval_loss for event in whole.of(Evaluated)}
    artefact = (
        "model/model.safetensors" if method == "full" else "adapter/adapter_model.safetensors"
    )
    assert (parts.folder / artefact).read_bytes() == (whole.folder / artefact).read_bytes()


def test_a_stop_at_the_end_of_an_epoch_is_resumed_exactly(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    whole = Run(tmp_path / "whole", tiny_model, tiny_data)
    whole.train()
    parts = Run(tmp_path / "parts", tiny_model, tiny_data)
    interrupted(parts, Script(stop_at=6))
    parts.train()

    assert list(parts.losses) == list(range(7, 13))
    assert parts.losses == {step: whole.losses[step] for step in range(7, 13)}


def test_a_torn_checkpoint_is_named_and_the_one_before_it_is_taken(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    whole = Run(tmp_path / "whole", tiny_model, tiny_data)
    whole.train()
    parts = Run(tmp_path / "parts", tiny_model, tiny_data)
    interrupted(parts, Script(stop_at=7))
    newest = parts.folder / "checkpoints" / "checkpoint-7"
    os.truncate(newest / "optimizer.pt", 1000)
    parts.train()
    (warned,) = parts.of(Warned)

    assert "checkpoint-7" in warned.what
    assert "optimizer.pt has 1000 bytes" in warned.why
    assert warned.cure == "going on from checkpoint-5"
    assert parts.losses == {step: whole.losses[step] for step in range(6, 13)}


def test_with_nothing_but_a_torn_checkpoint_the_run_starts_over(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = Run(tmp_path / "run", tiny_model, tiny_data)
    torn = run.folder / "checkpoints" / "checkpoint-5"
    torn.mkdir(parents=True)
    (torn / "adapter_model.safetensors").write_bytes(b"half")
    run.train(max_steps=5)

    assert run.of(Warned)[0].cure == "starting from step 0"
    assert list(run.losses) == [1, 2, 3, 4, 5]
    assert run.of(Checkpoint)[-1].step == 5


def test_an_attempt_cut_off_after_its_last_step_is_finished_without_another_one(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    # Ten steps end inside the second epoch, where the Trainer itself would go on by one.
    run = Run(tmp_path / "run", tiny_model, tiny_data, overrides={"training.max_steps": 10})
    run.train()
    adapter = run.folder / "adapter" / "adapter_model.safetensors"
    before, first = adapter.read_bytes(), run.job(print).load_result("train", TrainResult)
    shutil.rmtree(run.folder / "adapter")
    run.train()
    again = run.job(print).load_result("train", TrainResult)

    assert run.of(Step) == []
    assert adapter.read_bytes() == before
    assert first is not None
    assert again is not None
    assert (again.steps, again.final_loss, again.eval_losses, again.tokens) == (
        first.steps,
        first.final_loss,
        first.eval_losses,
        first.tokens,
    )
