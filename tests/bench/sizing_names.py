"""Names in published rows: models, storage formats, optimizers.

Sources write the same thing in many ways; a name that is none of these is read as the nearest usual
setting, and the case says so.
"""

from __future__ import annotations

import re
from typing import Any

from tunewright.hardware.model_catalogue import find_model, known_models, shape_of
from tunewright.hardware.shapes import ModelShape

MODELS = {
    "llama3-8b": "meta-llama/Llama-3.1-8B",
    "llama3.1-8b": "meta-llama/Llama-3.1-8B",
    "llama3-70b": "meta-llama/Llama-3.1-70B",
    "llama3.1-70b": "meta-llama/Llama-3.1-70B",
    "llama3.3-70b": "meta-llama/Llama-3.1-70B",
    "llama3.1-405b": "meta-llama/Llama-3.1-405B",
    "llama3.2-1b": "meta-llama/Llama-3.2-1B",
    "llama3.2-3b": "meta-llama/Llama-3.2-3B",
    "llama2-7b": "meta-llama/Llama-2-7b-hf",
    "llama2-13b": "meta-llama/Llama-2-13b-hf",
    "llama2-70b": "meta-llama/Llama-2-70b-hf",
    "codellama-34b": "codellama/CodeLlama-34b-hf",
    "mistral-7b": "mistralai/Mistral-7B-v0.1",
    "mistral-7b-ob": "mistralai/Mistral-7B-v0.1",
    "mixtral-8x7b": "mistralai/Mixtral-8x7B-v0.1",
    "tinyllama-1.1b": "TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T",
    "qwen-1.8b": "Qwen/Qwen-1_8B",
    "qwen-7b": "Qwen/Qwen-7B",
    "qwen-14b": "Qwen/Qwen-14B",
    "qwen-72b": "Qwen/Qwen-72B",
    "yi-6b": "01-ai/Yi-6B",
    "yi-34b": "01-ai/Yi-34B",
    "baichuan2-7b": "baichuan-inc/Baichuan2-7B-Base",
    "baichuan2-13b": "baichuan-inc/Baichuan2-13B-Base",
    "chatglm3-6b": "zai-org/chatglm3-6b",
    "phi-1.5": "microsoft/phi-1_5",
    "phi-2": "microsoft/phi-2",
    "phi-3-mini": "microsoft/Phi-3-mini-4k-instruct",
    "stablelm-alpha-3b": "stabilityai/stablelm-base-alpha-3b",
    "falcon-7b": "tiiuae/falcon-7b",
    "falcon-40b": "tiiuae/falcon-40b",
    "gemma-2b": "google/gemma-2b",
    "gemma-7b": "google/gemma-7b",
    "gemma2-2b": "google/gemma-2-2b",
    "gemma2-9b": "google/gemma-2-9b",
    "gemma2-27b": "google/gemma-2-27b",
    "smollm2-135m": "HuggingFaceTB/SmolLM2-135M",
    "smollm2-360m": "HuggingFaceTB/SmolLM2-360M",
    "smollm2-1.7b": "HuggingFaceTB/SmolLM2-1.7B",
    **{f"qwen2.5-{n.lower()}": f"Qwen/Qwen2.5-{n}" for n in
       ("0.5B", "1.5B", "3B", "7B", "14B", "32B", "72B")},
    **{f"qwen3-{n.lower()}": f"Qwen/Qwen3-{n}" for n in
       ("0.6B", "1.7B", "4B", "8B", "14B", "32B")},
}  # fmt: skip

# Tuned models of the same shape as a base in the catalogue.
_SAME_SHAPE = {
    "vicuna7b": "llama27b", "vicuna13b": "llama213b", "alpaca7b": "llama27b", "llama7b": "llama27b",
    "llama13b": "llama213b", "zephyr7bbeta": "mistral7b", "openchat35": "mistral7b",
    "mixtral": "mixtral8x7b", "mistral": "mistral7b", "deepseekv3": "deepseekv3base",
    "deepseekr1": "deepseekv3base", "phi3mini": "phi3mini4k", "phi15": "phi15", "phi4": "phi4",
}  # fmt: skip
_TUNED = re.compile(
    r"(instruct|chat|base|hf|it|pt|sft|dpo|v\d+(\.\d+)?|beta|preview|bnb|4bit|unsloth|gptq|awq|fp8|"
    r"int4|int8|bf16|text|\d{4})$"
)


def _plain(name: str) -> str:
    """A model's name without organisation, marks, and what tells a tuned one from its base."""
    left = name.casefold().rpartition("/")[2].replace("meta-", "")
    while (shorter := _TUNED.sub("", left).strip("-_. ")) != left and shorter:
        left = shorter
    return re.sub(r"[^a-z0-9]", "", left)


def model_named(name: str) -> ModelShape:
    """The shape of a model as rows call it; Problem for one that is not in the catalogue."""
    return shape_of(_id(name))


def model_config(name: str) -> dict[str, Any]:
    """Its config, in config.json's own names; KeyError for one that is not in the catalogue."""
    row = find_model(_id(name))
    if row is None:
        raise KeyError(name)
    return dict(row.config)


def _id(name: str) -> str:
    row = find_model(MODELS.get(name.casefold(), name))
    if row is not None:
        return row.id
    plain = _plain(name)
    plain = _SAME_SHAPE.get(plain, plain)
    return next((id for id in (*MODELS.values(), *known_models()) if _plain(id) == plain), name)


WEIGHTS = {
    "bf16": "bfloat16", "fp16": "float16", "fp32": "float32", "nf4": "nf4", "nf4-dq": "nf4",
    "int4-(bnb)": "nf4", "int8-(bnb)": "int8", "int8": "int8", "fp8": "fp8",
    "gptq-int4": "gptq4", "int4-(gptq)": "gptq4", "gptq-int8": "gptq8", "int8-(gptq)": "gptq8",
    "awq-int4": "awq4", "awq": "awq4",
}  # fmt: skip
# What others call them.
_FORMATS = {
    "bfloat16": "bfloat16", "float16": "float16", "half": "float16", "float32": "float32",
    "mixed": "float32", "4bit": "nf4", "4-bit": "nf4", "int4": "nf4", "fp4": "nf4", "qlora": "nf4",
    "8bit": "int8", "8-bit": "int8", "llm.int8": "int8", "mxfp4": "mxfp4", "gptq": "gptq4",
    "gptq4": "gptq4", "gptq8": "gptq8", "gptq-4bit": "gptq4", "gptq-8bit": "gptq8",
    "int4-(awq)": "awq4", "awq4": "awq4", "w4a16": "gptq4", "w8a16": "gptq8", "w8a8": "int8",
}  # fmt: skip


def storage_named(said: str | None) -> str | None:
    """The storage format of weights; None for one that is not known."""
    words = (said or "bf16").casefold().replace("bitsandbytes", "bnb").split(" ")
    return WEIGHTS.get(words[0]) or _FORMATS.get(words[0])


# (word in what the row says, a name of TrainingArguments.optim). The first that is there counts.
_OPTIMIZERS = (
    ("paged_adamw_32", "paged_adamw_32bit"), ("paged", "paged_adamw_8bit"),
    ("lion_8", "lion_8bit"), ("lion 8", "lion_8bit"), ("ademamix", "ademamix"),
    ("4bit", "adamw_torch_4bit"), ("4-bit", "adamw_torch_4bit"),
    ("8bit", "adamw_8bit"), ("8-bit", "adamw_8bit"), ("sgd", "sgd"), ("lomo", "sgd"),
    ("adafactor", "adafactor"), ("came", "adafactor"), ("lion", "lion_32bit"), ("muon", "rmsprop"),
    ("adagrad", "adagrad"), ("rmsprop", "rmsprop"), ("fused", "adamw_torch_fused"),
    ("adam", "adamw_torch"), ("", "adamw_torch"),
)  # fmt: skip


def optimizer_named(said: str | None) -> str:
    """A name of TrainingArguments.optim: AdamW where nothing is said, or nothing that is known."""
    text = (said or "adamw").casefold()
    return next(name for word, name in _OPTIMIZERS if word in text)
