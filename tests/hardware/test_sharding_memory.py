"""Several devices, other trainers, kernels and stages: what each changes, and by how much."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from known_models import LLAMA_3_8B, SMOLLM2, llama
from setups import FULL, LORA, changed

from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.adapter_kinds import KINDS, OTHER_KINDS
from tunewright.hardware.memory.calibration import (
    Measured,
    corrected,
    correction_for,
    key_of,
    predicted_for,
)
from tunewright.hardware.memory.estimate import MemoryEstimate, TrainingSetup
from tunewright.hardware.memory.serving import (
    ServingSetup,
    estimate_serving,
    kv_bytes,
    kv_bytes_per_token,
    model_bytes,
)
from tunewright.hardware.memory.stacks import STACKS
from tunewright.hardware.memory.stages import Proof, stage_peaks, with_stages
from tunewright.hardware.memory.training import estimate_training
from tunewright.hardware.model_catalogue import known_models, shape_of

GIB = 1 << 30


def sized(setup: TrainingSetup, **changes: Any) -> MemoryEstimate:
    return estimate_training(LLAMA_3_8B, changed(setup, **changes))


def states(estimate: MemoryEstimate) -> int:
    of = {"weights", "gradients", "optimizer", "adapters"}
    return sum(item.bytes for item in estimate.items if item.id in of)


def test_zero_1_on_four_gpus_saves_a_little_more_than_half_and_not_four_times() -> None:
    """By 16 bytes a parameter: 2 + 2 + 12 / 4 = 7, a factor of 2.3 where guides say 4."""
    one = 16 * LLAMA_3_8B.parameters
    four = sized(FULL, sharding="zero1", devices=4)
    weights, optimizer = (
        next(item.bytes for item in four.items if item.id == name)
        for name in ("weights", "optimizer")
    )
    whole = weights + optimizer + 2 * LLAMA_3_8B.parameters
    assert one / whole == pytest.approx(2.29, rel=0.01)


def test_each_stage_of_zero_takes_less_than_the_one_before() -> None:
    peaks = [
        sized(FULL, sharding=kind, devices=8).expected_bytes
        for kind in ("ddp", "zero1", "zero2", "zero3")
    ]
    assert peaks == sorted(peaks, reverse=True)
    assert sized(FULL, sharding="fsdp", devices=8).expected_bytes < 0.45 * peaks[0]


def test_ddp_needs_more_than_one_device_does() -> None:
    alone = sized(FULL).expected_bytes
    assert sized(FULL, sharding="ddp", devices=2).expected_bytes > alone


def test_what_is_offloaded_is_told_for_the_host() -> None:
    offloaded = sized(FULL, sharding="fsdp", devices=4, offload="all")
    assert offloaded.expected_bytes < sized(FULL, sharding="fsdp", devices=4).expected_bytes
    assert offloaded.host_bytes > 15 * LLAMA_3_8B.parameters
    assert sized(FULL).host_bytes == 0


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"loss_kernel": "fused"}, {"loss_kernel": "plain"}),
        ({"loss_kernel": "chunked"}, {"loss_kernel": "plain"}),
        ({"checkpointing": "offloaded"}, {}),
        ({}, {"checkpointing": "selective"}),
        ({}, {"attention": "eager", "seq_len": 4096}),
        ({"weights": "nf4"}, {"weights": "int8"}),
        ({"weights": "int8"}, {}),
        ({}, {"trainer": "dpo"}),
        ({"trainer": "dpo"}, {"trainer": "ppo"}),
        ({}, {"modules_to_save": ("lm_head", "embed_tokens")}),
        ({"gradient_checkpointing": False}, {"gradient_checkpointing": False, "adapter": "dora"}),
    ],
)
def test_what_holds_more_needs_more(less: dict[str, Any], more: dict[str, Any]) -> None:
    longer = {"micro_batch": 2, "seq_len": 2048}
    small = sized(LORA, **(longer | less)).expected_bytes
    assert small < sized(LORA, **(longer | more)).expected_bytes


def test_full_dpo_holds_a_reference_and_adapters_hold_none() -> None:
    models = {
        setup.trainable: [
            i.bytes for i in sized(setup, trainer="dpo").items if i.id == "other-models"
        ]
        for setup in (FULL, LORA)
    }
    assert models["all"] == [2 * LLAMA_3_8B.parameters]
    assert models["lora"] == []


def test_torchs_two_figures_and_the_whole_are_apart() -> None:
    estimate = sized(LORA, gradient_checkpointing=False)
    assert estimate.allocated is not None
    assert estimate.reserved is not None
    assert estimate.allocated.expected_bytes < estimate.reserved.expected_bytes
    assert estimate.reserved.expected_bytes < estimate.expected_bytes
    assert estimate.measured_as("allocated") == estimate.allocated
    assert estimate.measured_as("device").safe_bytes == estimate.safe_bytes
    on_cpu = sized(LORA, device="cpu", weights="float32")
    assert on_cpu.allocated is None
    assert on_cpu.measured_as("allocated").expected_bytes == on_cpu.expected_bytes


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_adds_up(stack: str) -> None:
    estimate = sized(LORA, stack=stack, loss_kernel="plain")
    assert estimate.expected_bytes == sum(item.bytes for item in estimate.items)
    assert estimate.low_bytes < estimate.expected_bytes < estimate.safe_bytes


@pytest.mark.parametrize("kind", sorted(KINDS.keys() | OTHER_KINDS))
def test_every_kind_of_adapter_is_sized(kind: str) -> None:
    estimate = sized(LORA, adapter=kind, adapter_parameters=4_000_000)
    assert estimate.expected_bytes >= sized(LORA, adapter="tinylora", rank=1).expected_bytes * 0.9
    assert estimate.expected_bytes < 4 * sized(LORA).expected_bytes


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rank": 5000}, "5000"),
        ({"devices": 0}, "0 devices"),
        ({"stack": "trl-99"}, "trl-99"),
        ({"adapter": "telepathy"}, "telepathy"),
        ({"modules_to_save": ("q_proj",)}, "q_proj"),
        ({"micro_batch": -1}, "-1"),
    ],
)
def test_what_cannot_be_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Problem) as caught:
        sized(LORA, **changes)
    assert named in caught.value.what


def test_a_family_that_is_not_known_has_a_wide_range() -> None:
    known = estimate_training(LLAMA_3_8B, LORA)
    guessed = estimate_training(
        msgspec.structs.replace(LLAMA_3_8B, model_type="strange", approximate=True), LORA
    )
    assert guessed.safe_bytes > 1.15 * known.safe_bytes
    assert any("strange" in said for said in guessed.assumptions)


@pytest.mark.parametrize("id", known_models())
def test_every_model_of_the_catalogue_can_be_sized(id: str) -> None:
    shape = shape_of(id)
    for setup in (LORA, msgspec.structs.replace(LORA, weights="nf4", adapter_bytes=2), FULL):
        estimate = estimate_training(shape, setup)
        assert estimate.expected_bytes > model_bytes(shape, "nf4") * 0.8
        assert estimate.safe_bytes >= estimate.expected_bytes


def test_a_measurement_of_the_model_raises_the_estimate_where_it_needs_more_than_a_step() -> None:
    setup = msgspec.structs.replace(LORA, weights="float32", device="cpu")
    step = estimate_training(SMOLLM2, setup)
    small = with_stages(step, stage_peaks(SMOLLM2, setup, Proof(1, 64, 16)))
    assert small.expected_bytes == step.expected_bytes
    assert [item.id for item in small.stages] == ["evaluation", "merge"]
    large = with_stages(step, stage_peaks(SMOLLM2, setup, Proof(64, 2048, 512)))
    assert large.expected_bytes == sum(item.bytes for item in large.items)
    assert large.items[-1].id == "later-stage"
    assert large.safe_bytes > step.safe_bytes


def test_three_runs_of_a_kind_correct_the_next_and_two_do_not() -> None:
    packages = {"torch": "2.13.0+cpu", "trl": "1.16.0"}
    key = key_of("lora", "llama", "cpu", packages)
    assert key.versions == "torch 2.13, trl 1.16"
    rows = tuple(
        Measured(key, 100, measured, "host rss", f"run-{measured}", 0.0)
        for measured in (105, 120, 130)
    )
    assert correction_for(key, rows[:2]) is None
    # The same run twice is one run.
    assert correction_for(key, (*rows[:2], rows[0])) is None
    assert correction_for(key_of("qlora", "llama", "cpu", packages), rows) is None
    correction = correction_for(key, rows)
    assert correction is not None
    assert correction.ratio == pytest.approx(1.2)
    setup = msgspec.structs.replace(LORA, weights="float32", device="cpu")
    before = estimate_training(SMOLLM2, setup)
    after = corrected(before, correction)
    assert after.expected_bytes == pytest.approx(1.2 * before.expected_bytes, rel=1e-6)
    assert after.expected_bytes == sum(item.bytes for item in after.items)
    assert predicted_for(after, "host rss") == before.expected_bytes
    assert any("3 runs" in said for said in after.assumptions)


def test_vllm_fills_what_is_left_with_cache() -> None:
    shape = shape_of("Qwen/Qwen3-14B")
    estimate = estimate_serving(shape, ServingSetup(version=17, utilisation=0.95), int(79.19 * GIB))
    # vLLM 0.17 logged 27.52 GiB of weights, 2.23 of activations and 45.34 of cache.
    got = {item.id: item.bytes / GIB for item in estimate.items}
    assert got["weights"] == pytest.approx(27.52, rel=0.01)
    assert got["activations"] == pytest.approx(2.23, rel=0.02)
    assert estimate.kv_bytes / GIB == pytest.approx(45.34, rel=0.01)
    assert estimate.kv_tokens == estimate.kv_bytes // estimate.kv_bytes_per_token
    assert estimate.largest_context == shape.max_position_embeddings


def test_sliding_layers_keep_a_window_and_latent_attention_one_vector() -> None:
    gemma = shape_of("google/gemma-2-9b")
    assert kv_bytes(gemma, 8192) < kv_bytes_per_token(gemma) * 8192
    assert kv_bytes(gemma, 1024) == kv_bytes_per_token(gemma) * 1024
    deepseek = shape_of("deepseek-ai/DeepSeek-V3-Base")
    assert kv_bytes_per_token(deepseek) == 61 * (512 + 64) * 2


def test_heads_that_cannot_be_shared_are_refused() -> None:
    narrow = llama(192, 512, 2, 6, 2, 1000, tied=True)
    with pytest.raises(Problem, match="4 devices"):
        estimate_serving(narrow, ServingSetup(parallel=4), GIB)
