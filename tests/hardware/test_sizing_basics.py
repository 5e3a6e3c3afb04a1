"""The first memory estimate: line items add up, methods rank as they must, counts are exact."""

from __future__ import annotations

from pathlib import Path

import pytest
import setups
from known_models import LLAMA_2_7B
from setups import changed

from tunewright.hardware.errors import Problem
from tunewright.hardware.fit import judge, training_memory
from tunewright.hardware.memory.estimate import TrainingSetup
from tunewright.hardware.memory.training import estimate_training
from tunewright.hardware.shapes import read_shape
from tunewright.hardware.take import take_snapshot

LORA = changed(setups.LORA, optimizer="adamw_torch", seq_len=512)


def setup(**changes: object) -> TrainingSetup:
    return changed(LORA, **changes)


def test_the_items_add_up_and_the_range_encloses_them() -> None:
    for changes in ({}, {"weights": "nf4"}, {"device": "cpu", "weights": "float32"}):
        estimate = estimate_training(LLAMA_2_7B, setup(**changes))
        assert estimate.expected_bytes == sum(item.bytes for item in estimate.items)
        assert estimate.low_bytes <= estimate.expected_bytes <= estimate.high_bytes
        assert estimate.expected_bytes <= estimate.safe_bytes
        assert all(item.why for item in estimate.items)
        assert estimate.assumptions


def test_four_bits_need_less_than_sixteen_and_adapters_less_than_all() -> None:
    full = estimate_training(LLAMA_2_7B, setup(trainable="all", rank=0)).expected_bytes
    lora = estimate_training(LLAMA_2_7B, LORA).expected_bytes
    qlora = estimate_training(LLAMA_2_7B, setup(weights="nf4")).expected_bytes
    assert qlora < lora < full
    # bf16 weights alone are 12.55 GiB.
    assert 12.5 * 2**30 < lora < 20 * 2**30


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({}, {"micro_batch": 4}),
        ({}, {"seq_len": 4096}),
        ({}, {"rank": 256}),
        ({}, {"gradient_checkpointing": False, "seq_len": 2048}),
    ],
)
def test_more_of_anything_needs_more(less: dict[str, object], more: dict[str, object]) -> None:
    small = estimate_training(LLAMA_2_7B, setup(**less)).expected_bytes
    assert small < estimate_training(LLAMA_2_7B, setup(**more)).expected_bytes


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(Problem):
        estimate_training(LLAMA_2_7B, setup(micro_batch=0))


def test_the_verdict_follows_safe_and_expected_bytes() -> None:
    estimate = estimate_training(LLAMA_2_7B, LORA)
    assert judge(estimate, estimate.safe_bytes) == "fits"
    assert judge(estimate, estimate.safe_bytes - 1) == "tight"
    assert judge(estimate, estimate.expected_bytes - 1) == "no"


def test_a_machine_without_a_gpu_is_a_normal_one() -> None:
    machine = take_snapshot()
    assert machine.host.cores >= 1
    assert 0 < machine.host.ram_available_bytes <= machine.host.ram_total_bytes
    device, free, because = training_memory(machine)
    assert free > 0
    assert because
    if not machine.gpus:
        assert device == "cpu"
        assert machine.gpu_trouble is not None
        assert machine.gpu_trouble.cure


def test_a_shape_is_read_from_headers_and_counts_every_weight(tiny_model: Path) -> None:
    from safetensors import safe_open

    shape = read_shape(tiny_model)
    with safe_open(tiny_model / "model.safetensors", framework="np") as file:
        counted = sum(file.get_tensor(name).size for name in file.keys())  # noqa: SIM118
    assert shape.parameters == counted
    assert (shape.num_hidden_layers, shape.hidden_size) == (2, 64)


def damaged(tiny_model: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in tiny_model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize("keep", [0, 4, 8, 100])
def test_a_truncated_weight_file_is_named(tiny_model: Path, tmp_path: Path, keep: int) -> None:
    folder = damaged(tiny_model, tmp_path / "m")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(Problem, match=r"model\.safetensors"):
        read_shape(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model_type": "llama", "hidden_size": -1}'])
def test_a_config_that_makes_no_sense_is_named(tiny_model: Path, tmp_path: Path, text: str) -> None:
    folder = damaged(tiny_model, tmp_path / "m")
    (folder / "config.json").write_text(text)
    with pytest.raises(Problem, match=r"config\.json"):
        read_shape(folder)
