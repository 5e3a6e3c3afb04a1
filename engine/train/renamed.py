"""Names of older guides and other tools, what they are called today, and names that are refused."""

from __future__ import annotations

from typing import Any

import msgspec


class Renamed(msgspec.Struct, frozen=True):
    """`key` is today's name, `said` the sentence; `values` maps old values where they changed."""

    key: str
    said: str
    values: dict[Any, Any] | None = None


class Refused(msgspec.Struct, frozen=True):
    """Why a name is not taken, and what to do instead."""

    why: str
    cure: str


_SHORT = "it is a short name that other tools use"

RENAMED: dict[str, Renamed] = {
    "max_seq_length": Renamed("training.max_length", "TRL renamed it"),
    "max_seq_len": Renamed("training.max_length", _SHORT),
    "cutoff_len": Renamed("training.max_length", _SHORT),
    "sequence_len": Renamed("training.max_length", _SHORT),
    "warmup_ratio": Renamed(
        "training.warmup_steps", "transformers merged the two: a number below 1 is a ratio"
    ),
    "evaluation_strategy": Renamed("training.eval_strategy", "transformers renamed it"),
    "gradient_checkpointing": Renamed(
        "training.activation_checkpointing", "transformers renamed it: activations are what is kept"
    ),
    "gradient_checkpointing_kwargs": Renamed(
        "training.activation_checkpointing_kwargs", "transformers renamed it"
    ),
    "torch_dtype": Renamed("model.dtype", "transformers renamed it"),
    "dtype": Renamed("model.dtype", "it is the number format that the base is loaded in"),
    "per_gpu_train_batch_size": Renamed(
        "training.per_device_train_batch_size", "transformers renamed it"
    ),
    "per_gpu_eval_batch_size": Renamed(
        "training.per_device_eval_batch_size", "transformers renamed it"
    ),
    "group_by_length": Renamed(
        "training.train_sampling_strategy",
        "transformers made it a choice",
        {True: "group_by_length", False: "random"},
    ),
    "completion_only_loss": Renamed(
        "loss.on",
        "labels are made before TRL sees the rows, by one setting",
        {True: "completion", False: "all"},
    ),
    "assistant_only_loss": Renamed(
        "loss.on",
        "labels are made before TRL sees the rows, by one setting",
        {True: "assistant", False: "all"},
    ),
    "train_on_inputs": Renamed("loss.on", _SHORT, {True: "all", False: "completion"}),
    "lr": Renamed("training.learning_rate", _SHORT),
    "epochs": Renamed("training.num_train_epochs", _SHORT),
    "num_epochs": Renamed("training.num_train_epochs", _SHORT),
    "batch_size": Renamed("training.per_device_train_batch_size", _SHORT),
    "micro_batch_size": Renamed("training.per_device_train_batch_size", _SHORT),
    "optimizer": Renamed("training.optim", _SHORT),
    "lr_scheduler": Renamed("training.lr_scheduler_type", _SHORT),
    "sample_packing": Renamed("training.packing", _SHORT),
    "rank": Renamed("lora.r", _SHORT),
    "lora_r": Renamed("lora.r", _SHORT),
    "lora_rank": Renamed("lora.r", _SHORT),
    "alpha": Renamed("lora.lora_alpha", _SHORT),
    "dropout": Renamed("lora.lora_dropout", _SHORT),
    "lora_target": Renamed("lora.target_modules", _SHORT),
    "lora_target_modules": Renamed("lora.target_modules", _SHORT),
}

_RUN_DIRECTORY = Refused(
    "everything of a run lies in its run directory", "name another one with --run-dir"
)
_HUB = Refused(
    "a run sends nothing anywhere and a session never holds a secret",
    "push the finished artefact yourself: hf upload REPO FOLDER, with HF_TOKEN set",
)
_SEVERAL = Refused(
    "this version trains on one device", "leave it out, or eject a script: tunewright eject"
)
_FROM_MODEL = Refused(
    "the tokenizer, its template and its special tokens come from the model's folder, so that "
    "what is trained is what is served",
    "change them in the model's folder",
)
_OURS = Refused("Tunewright sets it, since its records and resumes depend on it", "leave it out")
_DATA = Refused(
    "rows are read, rendered and labelled before TRL sees them, so that what was shown is what is "
    "trained",
    "leave it out; loss.on says what carries loss",
)
_SIZING = Refused("the plan and its memory would not be what runs", "leave it out")
_REMOVED = Refused("transformers removed it", "leave it out")
_METHOD = Refused("the method sets it", "choose another --method")

REFUSED: dict[str, Refused] = {
    "trust_remote_code": Refused(
        "it would run code that came with the model's files, as you",
        "take a model whose architecture transformers has built in",
    ),
    "output_dir": _RUN_DIRECTORY,
    "logging_dir": _RUN_DIRECTORY,
    "overwrite_output_dir": _RUN_DIRECTORY,
    "resume_from_checkpoint": Refused(
        "a run finds its newest good checkpoint itself", "tunewright resume RUN"
    ),
    **dict.fromkeys(
        (
            "push_to_hub",
            "push_to_hub_token",
            "hub_token",
            "hub_model_id",
            "hub_strategy",
            "hub_private_repo",
            "hub_always_push",
            "hub_revision",
            "trackio_space_id",
            "trackio_bucket_id",
            "trackio_static_space_id",
        ),
        _HUB,
    ),
    **dict.fromkeys(
        (
            "deepspeed",
            "fsdp",
            "fsdp_config",
            "parallelism_config",
            "accelerator_config",
            "local_rank",
            "ddp_backend",
            "ddp_broadcast_buffers",
            "ddp_bucket_cap_mb",
            "ddp_find_unused_parameters",
            "ddp_static_graph",
            "ddp_timeout",
            "save_on_each_node",
            "log_on_each_node",
        ),
        _SEVERAL,
    ),
    **dict.fromkeys(
        ("tokenizer", "processing_class", "pad_token", "eos_token", "chat_template_path"),
        _FROM_MODEL,
    ),
    **dict.fromkeys(
        (
            "do_train",
            "do_eval",
            "do_predict",
            "disable_tqdm",
            "logging_strategy",
            "logging_nan_inf_filter",
            "include_num_input_tokens_seen",
            "save_strategy",
            "save_only_model",
            "ignore_data_skip",
            "restore_callback_states_from_checkpoint",
            "enable_jit_checkpoint",
            "skip_memory_metrics",
            "prediction_loss_only",
            "include_for_metrics",
            "batch_eval_metrics",
            "eval_do_concat_batches",
            "eval_use_gather_object",
            "metric_for_best_model",
            "greater_is_better",
            "model_init_kwargs",
            "inference_mode",
            "task_type",
            "peft_type",
            "peft_version",
            "auto_mapping",
            "base_model_name_or_path",
            "revision",
            "debug",
        ),
        _OURS,
    ),
    **dict.fromkeys(
        (
            "dataset_text_field",
            "dataset_kwargs",
            "dataset_num_proc",
            "remove_unused_columns",
            "label_names",
            "length_column_name",
            "truncation_mode",
        ),
        _DATA,
    ),
    **dict.fromkeys(("auto_find_batch_size", "padding_free", "use_liger_kernel"), _SIZING),
    **dict.fromkeys(("load_in_4bit", "load_in_8bit"), _METHOD),
    **dict.fromkeys(("save_safetensors", "fp16_backend", "half_precision_backend"), _REMOVED),
    **dict.fromkeys(
        ("use_cpu", "no_cuda"),
        Refused("the plan chooses the device", "hide the GPUs: CUDA_VISIBLE_DEVICES="),
    ),
}
