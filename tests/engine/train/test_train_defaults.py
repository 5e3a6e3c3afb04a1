"""Defaults follow the facts, give their reasons, and let a person's values win."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from train_jobs import FACTS, SHAPE

from tunewright.engine.data.example import DataFacts
from tunewright.engine.plan import Decision
from tunewright.engine.train.defaults import default_settings, lighter, total_steps
from tunewright.engine.train.registry import methods
from tunewright.hardware.errors import Problem

LORA, QLORA, FULL = (methods()[id] for id in ("lora", "qlora", "full"))


def facts(**changes: Any) -> DataFacts:
    return msgspec.structs.replace(FACTS, **changes)


def decide(
    given: DataFacts = FACTS, method: Any = LORA, device: Any = "cpu", **overrides: Any
) -> dict[str, Decision]:
    named = {key.replace("__", "."): value for key, value in overrides.items()}
    return default_settings(method, given, SHAPE, device=device, capability=(8, 0), overrides=named)


def values(**arguments: Any) -> dict[str, Any]:
    return {key: decision.value for key, decision in decide(**arguments).items()}


def effective_batch(found: dict[str, Any]) -> int:
    return int(
        found["training.per_device_train_batch_size"]
        * found["training.gradient_accumulation_steps"]
    )


@pytest.mark.parametrize(
    ("rows", "batch"), [(48, 2), (300, 8), (500, 8), (600, 16), (20_000, 16), (60_000, 32)]
)
def test_few_rows_get_a_smaller_batch_so_that_there_are_enough_steps(rows: int, batch: int) -> None:
    given = facts(rows=rows)
    found = decide(given)

    assert effective_batch({k: d.value for k, d in found.items()}) == batch
    assert total_steps(found, given) >= min(100, rows * 3 // 2)


@pytest.mark.parametrize("length", [10, 56, 64, 65, 300, 511])
def test_nothing_is_cut_as_long_as_the_context_has_room(length: int) -> None:
    found = values(given=facts(length_max=length))["training.max_length"]

    assert length <= found <= 512
    assert found % 64 == 0


def test_the_context_of_the_model_caps_the_length_and_the_reason_says_what_is_cut() -> None:
    decision = decide(facts(length_max=3000))["training.max_length"]

    assert decision.value == SHAPE.max_position_embeddings
    assert "3000 tokens and is cut" in decision.because


def test_rows_are_packed_only_on_a_gpu_and_where_they_are_short_and_many() -> None:
    roomy = msgspec.structs.replace(SHAPE, max_position_embeddings=8192)
    many = facts(rows=5000, train_tokens=250_000)
    packed = {
        (device, given.rows, given.length_p95): default_settings(
            LORA, given, roomy, device=device, capability=(8, 0)
        )["training.packing"].value
        for device in ("cpu", "cuda")
        for given in (many, FACTS, facts(rows=5000, length_p95=900, length_max=1500))
    }

    assert [key for key, value in packed.items() if value] == [("cuda", 5000, 50)]


def test_packed_rows_are_counted_as_sequences() -> None:
    roomy = msgspec.structs.replace(SHAPE, max_position_embeddings=8192)
    given = facts(rows=5000, train_tokens=250_000)
    found = default_settings(LORA, given, roomy, device="cuda", capability=(8, 0))

    assert found["training.max_length"].value == 2048
    # 250,000 / 2048 = 123 sequences an epoch.
    assert total_steps(found, given) == pytest.approx(
        123 * 3 / effective_batch({k: d.value for k, d in found.items()}), rel=0.05
    )


def test_the_seeds_figures_hold_for_a_usual_task() -> None:
    billions = msgspec.structs.replace(SHAPE, parameters=7_000_000_000)
    found = {
        key: decision.value
        for key, decision in default_settings(
            LORA, facts(rows=2000), billions, device="cuda", capability=(8, 0)
        ).items()
    }

    assert found["lora.r"] == 16
    assert found["lora.lora_alpha"] == 32
    assert found["lora.lora_dropout"] == 0.05
    assert found["lora.target_modules"] == "all-linear"
    assert found["training.learning_rate"] == 2e-4
    assert found["training.warmup_steps"] == 0.03
    assert found["training.weight_decay"] == 0.01
    assert found["training.num_train_epochs"] == 3
    assert found["training.lr_scheduler_type"] == "cosine"
    assert found["training.bf16"] is True
    assert effective_batch(found) == 16


def test_a_persons_value_wins_keeps_the_advice_beside_it_and_what_depends_follows() -> None:
    found = decide(lora__r=32, training__num_train_epochs=1)

    assert found["lora.r"].value == 32
    assert found["lora.r"].rule == "override"
    assert found["lora.r"].alternatives[0].value == 8
    assert found["lora.lora_alpha"].value == 64
    assert found["lora.lora_dropout"].value == 0.0


def test_a_setting_without_a_default_is_taken_as_it_is_said() -> None:
    found = decide(training__neftune_noise_alpha=5, lora__use_rslora=True)

    assert found["training.neftune_noise_alpha"].value == 5
    assert found["lora.use_rslora"].because == "you set it"


def test_max_steps_sets_the_length_and_the_cadence() -> None:
    found = decide(training__max_steps=40)

    assert total_steps(found, FACTS) == 40
    assert found["training.eval_steps"].value <= 40


def test_accumulation_makes_up_for_a_smaller_micro_batch() -> None:
    given = facts(rows=2000)
    whole = default_settings(LORA, given, SHAPE, device="cpu")
    half = default_settings(LORA, given, SHAPE, device="cpu", micro_batch=2, checkpointing=True)
    batches = [effective_batch({k: d.value for k, d in f.items()}) for f in (whole, half)]

    assert batches == [16, 16]
    assert half["training.per_device_train_batch_size"].value == 2
    assert half["training.activation_checkpointing"].value is True
    assert whole["training.activation_checkpointing"].value is False


def test_what_to_try_next_never_needs_more_memory() -> None:
    assert lighter(8) == [
        (8, False), (4, False), (2, False), (8, True), (4, True), (2, True), (1, True)
    ]  # fmt: skip
    assert lighter(1) == [(1, False), (1, True)]


@pytest.mark.parametrize("rows", [20, 500, 5000, 100_000])
@pytest.mark.parametrize("held_out", [1, 60, 10_000])
def test_evaluations_cost_at_most_a_tenth_and_each_one_can_be_kept(
    rows: int, held_out: int
) -> None:
    given = facts(rows=rows, eval_rows=held_out)
    found = {key: decision.value for key, decision in decide(given).items()}
    steps = total_steps(decide(given), given)
    evaluations = steps // found["training.eval_steps"]

    # The one after the last step is always made.
    assert (evaluations - 1) * held_out / 3 <= 0.11 * steps * effective_batch(found)
    assert found["training.save_steps"] % found["training.eval_steps"] == 0
    assert (
        found["training.per_device_eval_batch_size"]
        <= found["training.per_device_train_batch_size"]
    )


def test_too_few_held_out_rows_do_not_pick_the_checkpoint() -> None:
    assert values(given=facts(eval_rows=5))["training.load_best_model_at_end"] is False
    assert values(given=facts(eval_rows=0))["training.eval_strategy"] == "no"
    assert values(given=facts(eval_rows=0))["training.eval_on_start"] is False


def test_few_rows_are_answered_in_training_for_a_stated_share_of_its_time() -> None:
    found = decide()
    assert [found[f"evaluation.sample_{name}"].value for name in ("rows", "tokens", "share")] == [
        2,
        38,
        0.02,
    ]
    long = decide(given=facts(answer_max=400))
    assert long["evaluation.sample_tokens"].value == 64
    assert long["evaluation.sample_tokens"].alternatives[0].value == 500
    for none in (
        {"given": facts(eval_rows=0)},
        {"training__eval_strategy": "no", "training__load_best_model_at_end": False},
    ):
        assert decide(**none)["evaluation.sample_rows"].value == 0
    mine = decide(evaluation__sample_rows=0)["evaluation.sample_rows"]
    assert (mine.value, mine.rule) == (0, "override")


def test_conversations_train_every_answer() -> None:
    assert values()["loss.on"] == "completion"
    assert values(given=facts(multi_turn_rows=3))["loss.on"] == "assistant"


@pytest.mark.parametrize(
    ("method", "overrides", "what"),
    [
        (FULL, {"lora__r": 8}, "lora.r means nothing"),
        (LORA, {"quantization__bnb_4bit_quant_type": "fp4"}, "means nothing for LoRA"),
        (LORA, {"training__fp16": True}, "needs a GPU"),
        (LORA, {"training__bf16": True, "training__fp16": True}, "both on"),
        (LORA, {"training__save_steps": 7, "training__eval_steps": 5}, "no multiple"),
        (
            LORA,
            {"training__eval_strategy": "epoch", "training__load_best_model_at_end": True},
            "needs evaluations by steps",
        ),
        (
            LORA,
            {
                "training__eval_strategy": "no",
                "training__load_best_model_at_end": False,
                "evaluation__sample_rows": 2,
            },
            "sample_rows is 2, and nothing is evaluated",
        ),
    ],
)
def test_values_that_cannot_hold_together_are_refused(
    method: Any, overrides: dict[str, Any], what: str
) -> None:
    with pytest.raises(Problem, match=what):
        decide(method=method, **overrides)


def test_qlora_quantizes_the_base_as_its_paper_does() -> None:
    found = values(method=QLORA, device="cuda")

    assert found["quantization.load_in_4bit"] is True
    assert found["quantization.bnb_4bit_quant_type"] == "nf4"
    assert found["quantization.bnb_4bit_use_double_quant"] is True
    assert found["quantization.bnb_4bit_compute_dtype"] == "bfloat16"
    assert values(method=QLORA)["quantization.bnb_4bit_compute_dtype"] == "float32"
