"""What the closed form is asked, the trace runs, or says that it does not."""

from __future__ import annotations

from typing import Any

import pytest
import setups

from tunewright.engine.trace.mapping import trace_setup
from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.estimate import TrainingSetup

LORA = setups.changed(
    setups.LORA,
    micro_batch=4,
    seq_len=512,
    target_modules=("q_proj", "v_proj"),
    lora_dropout=True,
)


def changed(**changes: Any) -> TrainingSetup:
    return setups.changed(LORA, **changes)


def test_a_lora_step_on_a_gpu() -> None:
    found = trace_setup(LORA)

    assert found.adapter["r"] == 16
    assert found.adapter["target_modules"] == ["q_proj", "v_proj"]
    assert found.adapter["lora_dropout"] > 0
    assert (found.adapter_dtype, found.autocast, found.loss) == ("float32", "bfloat16", "chunked")
    assert found.masked
    assert not trace_setup(changed(micro_batch=1)).masked
    assert trace_setup(changed(micro_batch=1, packed=True)).masked


def test_qlora_takes_adapters_of_its_bytes_and_full_training_none() -> None:
    assert trace_setup(changed(weights="nf4", adapter_bytes=2)).adapter_dtype == "bfloat16"
    full = trace_setup(changed(trainable="all"))
    assert (full.trainable, full.adapter, full.adapter_dtype) == ("all", {}, None)


def test_a_cpu_computes_in_float32_and_a_float16_base_in_float16() -> None:
    assert trace_setup(changed(device="cpu", weights="float32")).autocast is None
    assert trace_setup(changed(weights="float16")).autocast == "float16"


def test_shards_are_traced_on_one_of_their_devices() -> None:
    found = trace_setup(changed(trainable="all", sharding="fsdp", devices=8))

    assert (found.sharding, found.devices) == ("fsdp", 8)


def test_ddp_is_traced_on_one_of_its_devices_and_dpo_with_a_mask() -> None:
    found = trace_setup(changed(sharding="ddp", devices=2, trainer="dpo", micro_batch=1))

    assert (found.sharding, found.devices) == ("ddp", 2)
    assert (found.trainer, found.masked) == ("dpo", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": "int8"},
        {"adapter": "ia3"},
        {"checkpointing": "offloaded"},
        {"modules_to_save": ("lm_head",)},
        {"sharding": "zero3", "devices": 4},
        {"offload": "optimizer"},
        {"trainer": "ppo"},
        {"compiled": True},
    ],
)
def test_what_is_not_traced_is_named_with_what_is(changes: dict[str, Any]) -> None:
    with pytest.raises(Problem) as caught:
        trace_setup(changed(**changes))

    assert next(iter(changes)) in caught.value.what
    assert "without --trace" in caught.value.cure
