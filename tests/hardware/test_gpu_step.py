"""What make check-gpu says of a training step: the recorded memory is split into line items.

Where the peak is not as planned, the term of the prediction that is off is named.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GPU = Path(__file__).parents[1] / "gpu"
sys.path.insert(0, str(GPU))

from attribution import attribute, wrong_term  # noqa: E402
from check import step_lines  # noqa: E402

MIB = 1 << 20

# Stacks as Python frames of such a training stand in a recording, innermost first.
LOAD = ("modeling_utils.py:from_pretrained", "/tunewright/engine/train/loading.py:load_base")
PEFT = ("/peft/tuners/lora/layer.py:update_layer", "/peft/mapping_func.py:get_peft_model",
        "/trl/trainer/sft_trainer.py:__init__")  # fmt: skip
STEP = ("/transformers/trainer.py:training_step", "/transformers/trainer.py:train")
FORWARD = ("/models/llama/modeling_llama.py:forward", *STEP)
HEAD = ("/trl/trainer/utils.py:fused_forward", *FORWARD)
AGAIN = ("/models/llama/modeling_llama.py:forward", "/torch/utils/checkpoint.py:recompute_fn")
AUTOGRAD: tuple[str, ...] = ()
CLIP = ("/torch/nn/utils/clip_grad.py:clip_grad_norm_", "/transformers/trainer.py:train")
ADAM = ("/torch/optim/adamw.py:_init_group", "/torch/optim/optimizer.py:wrapper")


def alloc(address: int, mib: float, stack: tuple[str, ...]) -> dict[str, Any]:
    frames = [
        {"filename": place.rpartition(":")[0], "line": 1, "name": place.rpartition(":")[2]}
        for place in stack
    ]
    return {"action": "alloc", "addr": address, "size": int(mib * MIB), "stream": 0,
            "frames": frames}  # fmt: skip


def free(address: int) -> list[dict[str, Any]]:
    event = {"addr": address, "size": 0, "stream": 0, "frames": []}
    return [event | {"action": "free_requested"}, event | {"action": "free_completed"}]


def one_step(*, activations: float = 30.0) -> list[dict[str, Any]]:
    """Weights of 100 MiB, adapters of 4, a step whose peak is at the end of the forward pass."""
    return [
        {"action": "segment_alloc", "addr": 0, "size": 200 * MIB, "stream": 0, "frames": []},
        alloc(1, 100, LOAD),
        alloc(2, 4, PEFT),
        alloc(3, 8, FORWARD),  # cuBLAS keeps its workspace: never freed
        alloc(4, activations, FORWARD),
        alloc(5, 20, HEAD),
        *free(5),
        alloc(6, 10, AGAIN),
        alloc(7, 6, AUTOGRAD),  # a temporary of the backward pass
        *free(4),
        *free(6),
        alloc(8, 4, AUTOGRAD),  # a gradient
        *free(7),
        alloc(9, 0.0001, CLIP),
        alloc(10, 8, ADAM),
        *free(9),
        *free(8),
        {"action": "snapshot", "addr": 0, "size": 0, "stream": 0, "frames": []},
    ]


def test_what_stood_at_the_peak_is_split_into_line_items() -> None:
    found = attribute(one_step())
    assert found.peak_bytes == 162 * MIB
    assert found.items == {
        "weights": 100 * MIB,
        "adapters": 4 * MIB,
        "workspace": 8 * MIB,
        "activations": 30 * MIB,
        "loss": 20 * MIB,
    }
    assert sum(found.items.values()) == found.peak_bytes


def test_gradients_and_states_are_told_from_temporaries_by_how_long_they_live() -> None:
    # A second step, whose peak is in its backward pass.
    second = [
        *one_step(activations=0.5),
        alloc(11, 40, AGAIN),
        alloc(12, 4, AUTOGRAD),
        alloc(13, 16, AUTOGRAD),
        *free(13),
        *free(11),
        alloc(14, 0.0001, CLIP),
    ]
    found = attribute(second)
    assert found.items["optimizer"] == 8 * MIB
    assert found.items["activations"] == 40 * MIB
    assert found.items["gradients"] == 4 * MIB
    # What autograd gave back, and what cuBLAS keeps.
    assert found.items["workspace"] == 24 * MIB


def test_sizes_are_those_of_the_allocators_blocks() -> None:
    found = attribute([alloc(1, 1 / MIB, LOAD), alloc(2, 513 / MIB, LOAD)])
    assert found.peak_bytes == 512 + 1024


def test_a_recording_that_began_late_or_is_empty_is_no_fault() -> None:
    assert attribute([]) == (0, {})
    assert attribute([*free(77), alloc(1, 1, FORWARD)]).peak_bytes == MIB


def test_the_term_that_is_furthest_off_is_named() -> None:
    predicted = {"weights": 100, "activations": 30, "loss": 20}
    assert wrong_term(predicted, {"weights": 101, "activations": 75, "loss": 20}) == (
        "activations", 30, 75,
    )  # fmt: skip
    # One that was not thought of at all.
    assert wrong_term(predicted, predicted | {"scores": 64})[0] == "scores"


def told(measured: int, **items: int) -> dict[str, Any]:
    predicted = {"weights": 100, "activations": 30, "loss": 20, "context": 900}
    found = {"weights": 100, "activations": 30, "loss": 20} | items
    return {
        "device": "cuda",
        "steps": 3,
        "predicted": {id: size * MIB for id, size in predicted.items()},
        "expected": 150 * MIB,
        "low": 140 * MIB,
        "safe": 170 * MIB,
        "measured": measured * MIB,
        "reserved": measured * MIB,
        "found": {
            "peak": sum(found.values()) * MIB,
            "items": {id: size * MIB for id, size in found.items()},
        },
    }


def test_a_peak_as_planned_holds_and_one_beside_it_names_its_term() -> None:
    lines = list(step_lines("GPU 0", told(150)))
    assert [row.verdict for row in lines] == ["holds", "holds"]

    lines = list(step_lines("GPU 0", told(240, activations=120)))
    assert [row.verdict for row in lines] == ["differs", "holds", "differs"]
    assert lines[0].assumed == "150 (140 to 170)"
    assert lines[2] == (
        "GPU 0 the term that is off: activations, MiB", "30", "120", "differs",
    )  # fmt: skip
    # Too little is as wrong as too much.
    assert "loss" in list(step_lines("GPU 0", told(130, loss=0)))[2].check


def test_a_recording_that_does_not_add_up_names_no_term() -> None:
    lines = list(step_lines("GPU 0", told(240)))
    assert [row.verdict for row in lines] == ["differs", "differs"]
    assert "adds up" in lines[1].check


def test_a_step_that_could_not_be_made_is_skipped_with_the_reason() -> None:
    (line,) = step_lines("GPU 0", {"why": "RuntimeError: no kernel image"})
    assert (line.verdict, line.found) == ("skipped", "RuntimeError: no kernel image")


@pytest.mark.slow
def test_the_step_is_the_products_own_and_runs_without_a_gpu_too() -> None:
    done = subprocess.run(
        [sys.executable, str(GPU / "step.py"), "tiny"],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert (result["device"], result["steps"]) == ("cpu", 3)
    assert result["predicted"]["weights"] > 0
    assert "measured" not in result
