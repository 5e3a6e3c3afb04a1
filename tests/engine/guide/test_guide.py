"""No row of the expert's tables and lists is lost; what no longer holds says so; the rules keep to
the ranges."""

from __future__ import annotations

import re

import pytest

from tunewright.engine.guide.read import topic, topics, topics_of
from tunewright.engine.train.registry import methods
from tunewright.tui.screens.guide import guide_lines
from tunewright.tui.steps import STEPS

# The expert's own words, copied by hand: topic, and what a row of it must hold.
SEED: dict[str, tuple[str, ...]] = {
    "approaches": (
        "Prompt engineering | instructions | lowest | minutes | low",
        "RAG | specific knowledge | medium | hours | index updates",
        "Fine-tuning | new behaviour, style or format | high | hours to days | retraining",
        "Fine-tuning and RAG | both new behaviour and specific knowledge | highest | days",
    ),
    "fine_tune_when": (
        "output format or style", "latency or cost", "cannot guarantee", "500 or more",
        "classification, extraction, formatting", "shorter prompts", "domain-specific",
    ),
    "fine_tune_not": (
        "work well enough", "under 100", "changes frequently", "external information",
    ),
    "lora": (
        "frozen", "A (d x r) | B (r x d)", "r | 16 | 8 to 64", "lora_alpha | 32 | 2 x r",
        "lora_dropout | 0.05", "bias | none | all | lora_only", "CAUSAL_LM",
        "target_modules | q, k, v, o | gate, up and down",
    ),
    "lora_rank": (
        "4-8 | very few | style transfer, format adaptation", "16-32 | moderate | most tasks",
        "64-128 | many | complex domain adaptation, multilingual", "256+ | large | full fine-tune",
    ),
    "target_modules": (
        "Llama, Mistral | q_proj | k_proj | v_proj | o_proj | gate_proj | up_proj | down_proj",
        "GPT-NeoX | query_key_value | dense_h_to_4h | dense_4h_to_h",
        "Falcon | query_key_value | dense_h_to_4h | dense_4h_to_h",
    ),
    "qlora": (
        "load_in_4bit | true", "bnb_4bit_quant_type | nf4", "compute_dtype | bfloat16",
        "double_quant | true | 0.4 bits", "flash_attention_2", "prepare_model_for_kbit_training",
    ),
    "qlora_hardware": (
        "7-8B | 6-10 GB | 60+ GB | RTX 3090/4090", "13B | 10-16 GB | 100+ GB | RTX 4090/A6000",
        "34B | 20-28 GB | 250+ GB | A100 40GB", "70B | 36-48 GB | 500+ GB | A100 80GB",
    ),
    "data_quality": (
        "500 examples (1000+", "consistent format", "diverse inputs", "garbage in", "PII",
        "balanced", "near-duplicates", "90/10 or 80/20",
    ),
    "data_formats": (
        "instruction, input, output", "messages | role | content", "prompt, chosen, rejected",
    ),
    "hyperparameters": (
        "learning_rate | 1e-5 to 3e-4 | 2e-4", "epochs | 1-5 | overfitting",
        "batch size | 8-64 | accumulation", "warmup | 0.03-0.1 | instability",
        "weight_decay | 0.01-0.1 | 0.01", "sequence length | 512-4096 | VRAM",
        "LoRA rank | 8-64 | 16",
    ),
    "sft": (
        "num_train_epochs | 3", "per_device_train_batch_size | 4 | 16", "checkpointing | 20 %",
        "learning_rate | 2e-4", "lr_scheduler_type | cosine", "weight_decay | 0.01",
        "packing | true", "bf16 | true", "save_steps, eval_steps | 100 | save_total_limit 3",
        "load_best_model_at_end | true", "report_to | wandb",
    ),
    "dpo": (
        "prompt, chosen, rejected | reward model", "num_train_epochs | 1",
        "batch_size | 2 | accumulation_steps 8", "learning_rate | 5e-6", "beta | 0.1 | 0.1-0.5",
    ),
    "ppo": (
        "train a reward model | preference data", "optimize the policy with PPO",
        "learning_rate | 1e-5", "batch_size | 16", "mini_batch_size | 4", "ppo_epochs | 4",
        "kl_penalty | kl", "target_kl | 6.0",
    ),
    "quantization": (
        "BF16 | 16 | baseline | best | high-end", "GPTQ | 4/8 | fast | very good | GPU",
        "AWQ | 4 | fastest | very good", "GGUF | 2-8 | good | varies | llama.cpp",
        "bitsandbytes | 4/8 | moderate | good | QLoRA",
    ),
    "gptq": ("bits | 4", "dataset | c4", "group_size | 128", "desc_act | true | slower",
             "sym | true"),
    "awq": ("zero_point | true", "q_group_size | 128", "w_bit | 4", "version | GEMM | GEMV"),
    "gguf": (
        "q2_k | 2 | smallest", "q4_0 | 4 | fast", "q4_k_m | 4 | best balance", "q5_k_m | 5",
        "q6_k | 6 | high quality", "q8_0 | 8 | near lossless",
    ),
    "merge_methods": (
        "linear | two similar models | baseline", "SLERP | smooth interpolation | dissimilar",
        "TIES | resolve conflicts | 3+", "DARE | pruning | diverse skills",
    ),
    "merge_options": (
        "density | 1.0 | 0.5", "weight | 1.0 | 0.7 | 0.3", "normalize | true", "int8_mask | true",
        "dtype | bfloat16",
    ),
    "zero": (
        "ZeRO-1 | optimizer states | ~4x | low | 2-4 GPUs",
        "ZeRO-2 | gradients | ~8x | medium | 4-8 GPUs", "ZeRO-3 | parameters | ~Nx | high | 1 GPU",
        "ZeRO-3 + offload | CPU | maximum | highest",
    ),
    "zero_options": (
        "bf16 | true", "stage | 2", "offload_optimizer | cpu | pin_memory",
        "allgather_partitions | true", "reduce_scatter | true", "accumulation_steps | 4",
        "gradient_clipping | 1.0", "train_batch_size | auto",
        "train_micro_batch_size_per_gpu | auto",
    ),
    "fsdp": (
        "fsdp | full_shard auto_wrap", "transformer_layer_cls_to_wrap | LlamaDecoderLayer",
        "backward_prefetch | backward_pre", "forward_prefetch | true", "use_orig_params | true",
        "cpu_ram_efficient_loading | true", "sync_module_states | true",
    ),
    "evaluation": ("perplexity | lower is better", "mmlu", "hellaswag", "arc_challenge",
                   "batch_size | 8"),
    "forgetting": (
        "more than 5 % | -0.05", "rank | 8-16", "1-3 epochs", "5-10 %", "weight decay, dropout",
        "throughout training",
    ),
    "export": ("merge_and_unload", "save_pretrained", "push_to_hub"),
    "vllm": (
        "--dtype | bfloat16", "--max-model-len | 4096", "--gpu-memory-utilization | 0.9",
        "--port | 8000", "--enable-lora", "--lora-modules", "--max-lora-rank | 64",
    ),
    "tgi": (
        "--gpus | all", "--shm-size | 1g", "--model-id", "--quantize | bitsandbytes-nf4",
        "--max-input-length | 2048", "--max-total-tokens | 4096",
    ),
}  # fmt: skip

# Where the expert text is out of date or wrong: what the topic must say.
TRUTHS = {
    "hyperparameters": ("max_length", "warmup_steps", "processing_class"),
    "lora": ("one or the other", "39,976,960"),
    "qlora": ("masks the real end",),
    "qlora_hardware": ("18.9 to 74", "54.9 to 75.6"),
    "zero": ("2.3x",),
    "evaluation": ("held-out reference",),
    "gguf": ("not accepted",),
    "gptq": ("dead upstream", "gptqmodel"),
    "awq": ("dead upstream", "gptqmodel"),
    "ppo": ("v2", "left TRL in 1.14"),
    "fsdp": ("FSDP2",),
    "tgi": ("archived upstream in 2026-03",),
}


def whole(id: str) -> list[str]:
    return [" | ".join(row) for row in topic(id).rows]


@pytest.mark.parametrize("id", SEED)
def test_no_row_of_the_expert_text_is_lost(id: str) -> None:
    rows = whole(id)
    for wanted in SEED[id]:
        parts = wanted.split(" | ")
        assert any(all(part in row for part in parts) for row in rows), wanted


def test_every_topic_is_looked_for_and_none_has_rows_nobody_asked_for() -> None:
    assert set(SEED) == {topic.id for topic in topics()}
    for id, wanted in SEED.items():
        assert len(topic(id).rows) <= len(wanted) + 1, id


@pytest.mark.parametrize("id", TRUTHS)
def test_what_no_longer_holds_says_what_does(id: str) -> None:
    for words in TRUTHS[id]:
        assert words in topic(id).truth


def test_rows_have_a_cell_for_each_column_and_every_topic_a_source() -> None:
    for one in topics():
        assert one.source
        assert one.steps
        assert all(len(row) == len(one.columns) for row in one.rows), one.id
        assert one.row(one.rows[0][0])[one.columns[0]] == one.rows[0][0]
    with pytest.raises(KeyError):
        topic("lora").row("nothing")


def test_help_shows_every_topic_at_a_step_that_there_is() -> None:
    steps = {step.id for step in STEPS}
    shown = set()
    for id in steps:
        told = "\n".join(line.plain for line in guide_lines(id, 70))
        for one in topics_of(id):
            shown.add(one.id)
            assert one.title in told
            assert one.rows[0][0][:20] in told
        assert all(line.cell_len <= 70 for line in guide_lines(id, 70))
    assert shown == {topic.id for topic in topics()}


def test_what_is_planned_by_default_lies_in_the_ranges_of_the_guide() -> None:
    low, high = map(float, topic("hyperparameters").row("learning_rate")["range"].split(" to "))
    assert low <= methods()["lora"].learning_rate <= high
    assert methods()["lora"].learning_rate == methods()["qlora"].learning_rate == 2e-4
    found = re.search(r"start with (\d+)", topic("hyperparameters").row("LoRA rank")["notes"])
    assert found is not None
    assert int(found[1]) == 16
