"""What a person types as a setting: today's names, old names, refused names and typing errors."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from train_jobs import SHAPE

from tunewright.engine.train.generate_names import TABLE, generate, render
from tunewright.engine.train.names import parse_setting, parse_settings, settings
from tunewright.engine.train.renamed import REFUSED, RENAMED
from tunewright.hardware.errors import Problem


def test_the_committed_table_is_what_the_installed_versions_give() -> None:
    assert TABLE.read_text() == render(generate())


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("learning_rate", "2e-4", "training.learning_rate", 2e-4),
        ("training.learning_rate", 2e-4, "training.learning_rate", 2e-4),
        ("num_train_epochs", "3", "training.num_train_epochs", 3),
        ("num_train_epochs", "0.5", "training.num_train_epochs", 0.5),
        ("max_steps", "75", "training.max_steps", 75),
        ("r", "8", "lora.r", 8),
        ("target_modules", "q_proj,v_proj", "lora.target_modules", ["q_proj", "v_proj"]),
        ("target_modules", "all-linear", "lora.target_modules", "all-linear"),
        ("modules_to_save", "none", "lora.modules_to_save", None),
        ("packing", "true", "training.packing", True),
        ("init_lora_weights", "gaussian", "lora.init_lora_weights", "gaussian"),
        ("init_lora_weights", "false", "lora.init_lora_weights", False),
        ("rank_pattern", '{"q_proj": 32}', "lora.rank_pattern", {"q_proj": 32}),
        ("report_to", "tensorboard", "training.report_to", "tensorboard"),
        ("loss.on", "assistant", "loss.on", "assistant"),
        ("merge.dtype", "float32", "merge.dtype", "float32"),
    ],
)
def test_names_and_texts_are_understood(name: str, text: Any, key: str, value: Any) -> None:
    assert parse_setting(name, text) == (key, value, None)


@pytest.mark.parametrize(
    ("old", "text", "key", "value"),
    [
        ("max_seq_length", "512", "training.max_length", 512),
        ("warmup_ratio", "0.1", "training.warmup_steps", 0.1),
        ("training.warmup_ratio", "0.1", "training.warmup_steps", 0.1),
        ("evaluation_strategy", "steps", "training.eval_strategy", "steps"),
        ("gradient_checkpointing", "true", "training.activation_checkpointing", True),
        ("torch_dtype", "bfloat16", "model.dtype", "bfloat16"),
        ("lora_rank", "8", "lora.r", 8),
        ("group_by_length", "true", "training.train_sampling_strategy", "group_by_length"),
        ("assistant_only_loss", "True", "loss.on", "assistant"),
        ("completion_only_loss", False, "loss.on", "all"),
    ],
)
def test_old_names_are_translated_and_said(old: str, text: Any, key: str, value: Any) -> None:
    found, parsed, note = parse_setting(old, text)

    assert (found, parsed) == (key, value)
    assert note is not None
    assert old in note
    assert key in note


@pytest.mark.parametrize("name", sorted(RENAMED))
def test_every_old_name_leads_to_a_setting_that_exists(name: str) -> None:
    assert RENAMED[name].key in settings()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_every_refused_name_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(Problem, match="is not a setting here") as caught:
        parse_setting(name, "1")
    assert caught.value.why == REFUSED[name].why


@pytest.mark.parametrize("name", ["trust_remote_code", "push_to_hub", "output_dir", "deepspeed"])
def test_a_group_in_front_does_not_get_a_refused_name_through(name: str) -> None:
    with pytest.raises(Problem, match="is not a setting here"):
        parse_setting(f"training.{name}", "1")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("learning_rat", "learning_rate"),
        ("lora.lora_alfa", "lora.lora_alpha"),
        ("lora.learning_rate", "learning_rate"),
        ("warmup_ration", "warmup_ratio"),
        ("per_device_batch_size", "per_device_eval_batch_size"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(Problem, match="there is no setting") as caught:
        parse_setting(name, "1")
    assert near in caught.value.cure


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", "-1e-4"),
        ("learning_rate", "0"),
        ("learning_rate", "nan"),
        ("learning_rate", "fast"),
        ("learning_rate", True),
        ("per_device_train_batch_size", "0"),
        ("per_device_train_batch_size", 1.5),
        ("gradient_accumulation_steps", -1),
        ("num_train_epochs", 0),
        ("max_steps", "0"),
        ("max_length", "none"),
        ("lora_dropout", 1.0),
        ("r", 0),
        ("optim", "adamw"),
        ("report_to", "wandb,elsewhere"),
        ("lr_scheduler_type", "cosinus"),
        ("bnb_4bit_compute_dtype", "int8"),
        ("packing", "maybe"),
        ("seed", -1),
        ("runtime_config", "{}"),
        ("evaluation.rows", "0"),
        ("merge.dtype", "int4"),
    ],
)
def test_values_out_of_type_or_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(Problem, match="cannot be"):
        parse_setting(name, value)


def test_a_rank_above_the_width_of_the_model_is_refused() -> None:
    parse_setting("r", 32, SHAPE)
    with pytest.raises(Problem, match="cannot be 33 for this model") as caught:
        parse_setting("r", 33, SHAPE)
    assert "32 features" in caught.value.why


def test_a_setting_said_twice_under_two_names_is_refused_unless_they_agree() -> None:
    found, notes = parse_settings({"lr": "1e-4", "learning_rate": 1e-4})

    assert found == {"training.learning_rate": 1e-4}
    assert len(notes) == 1
    with pytest.raises(Problem, match="set twice"):
        parse_settings({"lr": "1e-4", "learning_rate": 2e-4})


def test_every_default_of_the_libraries_passes_the_checks_that_are_made_of_it() -> None:
    refused = {}
    for key, spec in settings().items():
        try:
            parse_setting(key, spec.default)
        except Problem as problem:
            refused[key] = problem.what
    # Defaults that mean "not set", and objects of Python libraries.
    assert {key for key in refused if "object" not in settings()[key].types} == set()


def test_the_table_is_read_whole() -> None:
    table = msgspec.json.decode(TABLE.read_bytes())

    assert set(table) == {"versions", "training", "lora", "quantization"}
    assert len(table["training"]) > 100
