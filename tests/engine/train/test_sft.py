"""Every method really trains the tiny model, and what it leaves behind is what it measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import TinyData
from train_jobs import Run

from tunewright.engine.run.events import Checkpoint, Evaluated, Memory, Step
from tunewright.engine.train.registry import methods
from tunewright.engine.train.result import TrainResult

PACKED = {
    "training.packing": True,
    "training.max_length": 128,
    "training.per_device_train_batch_size": 1,
}


@pytest.fixture(scope="module", params=list(methods()))
def trained(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: Path,
    tiny_data: TinyData,
) -> Run:
    folder = tmp_path_factory.mktemp("trained") / request.param
    run = Run(folder, tiny_model, tiny_data, request.param)
    run.train()
    return run


def result_of(run: Run) -> TrainResult:
    found = run.job(lambda _: None).load_result("train", TrainResult)
    assert found is not None
    return found


def test_losses_fall_on_rows_that_are_trained_and_on_rows_that_are_not(trained: Run) -> None:
    losses = [event.loss for event in trained.of(Step)]
    held_out = [event.eval_loss for event in trained.of(Evaluated)]

    assert len(losses) == 12
    assert all(loss is not None for loss in losses)
    assert sum(losses[-3:]) < sum(losses[:3]) - 1  # type: ignore[arg-type]
    assert held_out == sorted(held_out, reverse=True)
    assert [event.step for event in trained.of(Evaluated)] == [0, 4, 8, 12]


def test_steps_carry_what_a_curve_needs(trained: Run) -> None:
    steps = trained.of(Step)

    assert [event.step for event in steps] == list(range(1, 13))
    assert {event.total_steps for event in steps} == {12}
    assert all(event.grad_norm is not None and event.grad_norm > 0 for event in steps)
    assert all(event.tokens_per_second > 0 and event.step_seconds > 0 for event in steps)
    assert all(event.host_bytes is not None and event.host_bytes > 100_000_000 for event in steps)
    assert [event.tokens for event in steps] == sorted(event.tokens for event in steps)
    assert steps[-1].epoch == 2
    assert steps[-1].eta_seconds == 0
    assert steps[0].eta_seconds is not None
    assert steps[0].eta_seconds > 0


def test_the_tokens_counted_are_those_of_the_rows(trained: Run, tiny_data: TinyData) -> None:
    from tunewright.engine.data.read import read_examples
    from tunewright.engine.data.tokens import Renderer

    renderer = Renderer.open(trained.model)
    rows = read_examples(tiny_data.train).examples
    epoch = sum(len(renderer.tokenize(row, "completion").input_ids) for row in rows)

    assert trained.of(Step)[5].tokens == epoch
    assert trained.of(Step)[-1].tokens == result_of(trained).tokens == 2 * epoch


def test_a_first_checkpoint_stands_early_and_older_ones_go(trained: Run) -> None:
    said = {event.step: event for event in trained.of(Checkpoint)}
    kept = trained.session.plan.value("training.save_total_limit")  # type: ignore[union-attr]

    assert list(said) == [4, 5, 8, 12]
    assert said[5].because == "a first one, early"
    assert said[12].because == "the last step"
    assert all(event.bytes > 10_000 for event in said.values())
    left = sorted(int(p.name.split("-")[1]) for p in trained.folder.glob("checkpoints/*-*"))
    assert left == sorted(said)[-kept:]


def test_the_artefact_reloads_and_has_the_loss_that_was_measured(
    trained: Run, tiny_data: TinyData
) -> None:
    loss = _held_out_loss(trained, tiny_data)

    assert loss == pytest.approx(trained.of(Evaluated)[-1].eval_loss, abs=2e-3)
    assert loss < trained.of(Evaluated)[0].eval_loss - 0.5


def test_the_artefact_holds_no_pickle_and_names_its_base(trained: Run) -> None:
    result = result_of(trained)
    folder = trained.folder / result.artefact
    names = {path.name for path in folder.iterdir()}

    assert not any(path.suffix in (".bin", ".pt", ".pth", ".pkl") for path in folder.iterdir())
    assert {"tokenizer.json", "chat_template.jinja"} <= names
    if result.artefact == "adapter":
        config = json.loads((folder / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == str(trained.model)
        assert "adapter_model.safetensors" in names
    else:
        assert {"model.safetensors", "config.json"} <= names


def test_the_result_says_what_was_trained_and_the_peak_beside_the_prediction(trained: Run) -> None:
    result = result_of(trained)
    (memory,) = trained.of(Memory)
    share = result.trainable_parameters / result.total_parameters

    assert (result.steps, result.total_steps, result.kept_step) == (12, 12, 12)
    assert result.final_loss == trained.losses[12]
    assert result.best_eval_loss == result.final_eval_loss == result.eval_losses["12"]
    assert share == 1 if result.method == "full" else share < 0.25
    assert result.threads == 1
    assert memory.predicted_bytes == result.predicted_peak_bytes == 412_000
    assert memory.measured_bytes == result.measured_peak_bytes
    assert memory.measured_bytes >= (trained.of(Step)[-1].host_bytes or 0)


def test_packed_rows_train_with_the_same_loss_as_single_ones_at_the_start(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    single = Run(tmp_path / "single", tiny_model, tiny_data)
    packed = Run(tmp_path / "packed", tiny_model, tiny_data, overrides=PACKED)
    single.train(max_steps=1)
    packed.train(max_steps=1)

    # Were rows seen by their neighbours, the untrained loss on single rows would not come back.
    assert packed.of(Evaluated)[0].eval_loss == pytest.approx(
        single.of(Evaluated)[0].eval_loss, abs=1e-5
    )
    assert packed.of(Step)[0].tokens > 128


def test_probing_threads_changes_no_digit_and_is_recorded_for_the_next_time(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        probed = Run(tmp_path / "probed", tiny_model, tiny_data)
        probed.threads = {}
        probed.train(max_steps=4)
        recorded = json.loads((probed.folder / "results" / "threads.json").read_text())
        given = Run(tmp_path / "given", tiny_model, tiny_data)
        given.threads = recorded
        given.train(max_steps=4)
    finally:
        torch.set_num_threads(before)

    assert recorded["train"] in (1, 2)
    assert probed.losses == given.losses
    assert result_of(probed).threads == recorded["train"]


def test_a_plan_cannot_pass_a_setting_that_a_person_could_not(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    from tunewright.hardware.errors import Problem

    for key, value in {"training.push_to_hub": True, "training.learning_rate": -1.0}.items():
        run = Run(tmp_path / "run", tiny_model, tiny_data, overrides={key: value})
        with pytest.raises(Problem, match=key):
            run.train()


def _held_out_loss(run: Run, data: TinyData) -> float:
    """Mean loss over trained tokens of the reloaded artefact, row by row, by torch alone."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from tunewright.engine.data.read import read_examples
    from tunewright.engine.data.tokens import Renderer
    from tunewright.engine.train.loading import load_base

    plan = run.session.plan
    assert plan is not None
    if (run.folder / "model").is_dir():
        model: Any = AutoModelForCausalLM.from_pretrained(run.folder / "model")
    else:
        base = load_base(
            run.model,
            "cpu",
            dtype="float32",
            attention="sdpa",
            quantization=plan.group("quantization"),
        )
        model = PeftModel.from_pretrained(base, run.folder / "adapter")
    renderer = Renderer.open(run.model)
    nats, tokens = 0.0, 0
    with torch.inference_mode():
        for example in read_examples(data.eval).examples:
            row = renderer.tokenize(example, "completion")
            logits = model.eval()(input_ids=torch.tensor([row.input_ids])).logits[0, :-1]
            labels = torch.tensor(row.labels[1:])
            nats += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
            tokens += int((labels != -100).sum())
    return nats / tokens
