"""While it trains, a run obeys orders at step boundaries and stops when the weights are lost."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from tiny import TinyData
from train_jobs import Run, Script

from tunewright.engine.run.events import Answered, Checkpoint, Evaluated, Step, Warned
from tunewright.engine.run.job import Stopped
from tunewright.engine.train.checkpoints import newest_good
from tunewright.engine.train.result import TrainResult
from tunewright.hardware.errors import Exit, Problem


def test_max_steps_gives_the_beginning_of_the_whole_run(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    whole = Run(tmp_path / "whole", tiny_model, tiny_data)
    whole.train()
    start = Run(tmp_path / "start", tiny_model, tiny_data)
    start.train(max_steps=7)
    rates = [event.learning_rate for event in whole.of(Step)][:7]
    result = start.job(print).load_result("train", TrainResult)

    assert start.losses == {step: whole.losses[step] for step in range(1, 8)}
    assert [event.learning_rate for event in start.of(Step)] == rates
    assert {event.total_steps for event in start.of(Step)} == {7}
    assert start.of(Evaluated)[-1].step == 7
    assert start.of(Checkpoint)[-1].step == 7
    assert result is not None
    assert (result.steps, result.total_steps) == (7, 12)


def test_a_stop_order_leaves_a_checkpoint_of_that_step_and_no_result(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = Run(tmp_path / "run", tiny_model, tiny_data)
    with pytest.raises(Stopped, match="asked"):
        run.train(Script(stop_at=3))
    found, torn = newest_good(run.folder / "checkpoints")

    assert list(run.losses) == [1, 2, 3]
    assert run.of(Checkpoint)[-1].because == "stopping: asked"
    assert found is not None
    assert found.step == 3
    assert torn == ()
    assert not (run.folder / "adapter").exists()
    assert not (run.folder / "results" / "train.json").exists()


def test_a_stop_order_before_the_first_step_trains_nothing(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = Run(tmp_path / "run", tiny_model, tiny_data)
    with pytest.raises(Stopped):
        run.train(Script(stop_at=0))

    assert run.of(Step) == []


def test_a_checkpoint_order_is_served_at_the_next_step_and_answered(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = Run(tmp_path / "run", tiny_model, tiny_data)
    orders = Script(checkpoint_at=2)
    run.train(orders, max_steps=3)
    answered = run.of(Answered)

    assert [(a.id, a.answer) for a in answered] == [("7-checkpoint", "checkpoint at step 2")]
    assert run.of(Checkpoint)[0].because == "asked for"
    assert orders.pauses == 3


def test_lost_weights_stop_the_run_and_the_good_checkpoints_stay(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = Run(tmp_path / "run", tiny_model, tiny_data, "full")
    with pytest.raises(Stopped):
        run.train(Script(stop_at=2))
    before = run.losses
    # A weight of the checkpoint that overflows float32 once it is squared: a real NaN, in time.
    exploding = Run(
        tmp_path / "run", tiny_model, tiny_data, "full", {"training.learning_rate": 1.0}
    )
    _blow_up(exploding.folder / "checkpoints" / "checkpoint-2")
    with pytest.raises(Problem, match="training was lost") as caught:
        exploding.train()

    assert caught.value.exit == Exit.FAILED
    assert "learning_rate" in caught.value.cure
    assert list(before) == [1, 2]
    assert exploding.losses == {3: None, 4: None, 5: None}
    assert len(exploding.of(Warned)) == 1
    assert exploding.of(Checkpoint) == []
    found, _ = newest_good(exploding.folder / "checkpoints")
    assert found is not None
    assert found.step == 2
    assert not (exploding.folder / "model").exists()


def test_a_checkpoint_asked_for_at_a_lost_step_is_declined(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = Run(tmp_path / "run", tiny_model, tiny_data, "full")
    with pytest.raises(Stopped):
        run.train(Script(stop_at=2))
    _blow_up(run.folder / "checkpoints" / "checkpoint-2")
    with pytest.raises(Problem, match="training was lost"):
        run.train(Script(checkpoint_at=1))

    assert [a.answer for a in run.of(Answered)] == [
        "not written: the loss of step 3 is not a number"
    ]


def test_qlora_keeps_its_gradients_after_an_evaluation(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    """bitsandbytes repacks 4-bit weights at the first evaluation on some CPUs, without a backward
    pass; the layers below then stop learning."""
    norms = []
    for first in (True, False):
        overrides = {"training.eval_on_start": first, "lora.lora_dropout": 0.0}
        run = Run(tmp_path / f"run{first}", tiny_model, tiny_data, "qlora", overrides)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*autograd kernel was not registered.*")
            run.train(max_steps=2)
        norms.append([event.grad_norm for event in run.of(Step)])

    assert norms[0] == norms[1]


def _blow_up(checkpoint: Path) -> None:
    """Set one norm's weights to the largest float32 and seal the checkpoint again."""
    import torch
    from safetensors.torch import load_file, save_file

    from tunewright.engine.train import checkpoints

    path = checkpoint / "model.safetensors"
    weights = load_file(path)
    weights["model.norm.weight"].fill_(torch.finfo(torch.float32).max)
    save_file(weights, path, metadata={"format": "pt"})
    checkpoints.seal(checkpoint, step=2, tokens=496, seconds=1.0)
