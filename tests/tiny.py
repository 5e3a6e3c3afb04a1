"""A complete model folder and data set that build in about two seconds, for tests that train.

Plain functions, so that scripts and subprocess tests use them without pytest:
`python tests/tiny.py FOLDER` writes FOLDER/model, FOLDER/train.jsonl and FOLDER/eval.jsonl.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, NamedTuple

HIDDEN = 64
INTERMEDIATE = 128
LAYERS = 2
HEADS = 4
KV_HEADS = 2
VOCAB = 448
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<pad>")

# ChatML without {% generation %}, like most templates in the wild: masks must not need the marks.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

NAMES = ("Ana", "Ben", "Cleo", "Dana", "Emil", "Fay", "Gus", "Hana", "Ivo", "June")
ITEMS = ("lamp", "chair", "desk", "mug", "rug", "clock", "shelf", "bowl")


class TinyData(NamedTuple):
    """Two JSONL files of prompt / completion rows whose completions are JSON objects."""

    train: Path
    eval: Path


def build_tiny_model(folder: Path) -> Path:
    """Write a seeded random Llama (2 layers, hidden 64, float32) with its tokenizer; returns it.

    The folder is what `from_pretrained` expects: config.json, generation_config.json,
    model.safetensors, tokenizer.json, tokenizer_config.json, chat_template.jinja. Weights are made
    by numpy, so the bytes do not depend on torch and building does not import it. pad != eos;
    `<|im_end|>` is eos; `<|im_start|>` is bos (never added by the tokenizer), as in SmolLM2.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder)
    _write_weights(folder)
    (folder / "config.json").write_text(json.dumps(_config(), indent=2))
    generation = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2))
    return folder


def build_tiny_data(folder: Path, rows: int = 48, eval_rows: int = 12, seed: int = 7) -> TinyData:
    """Write train.jsonl and eval.jsonl with distinct prompts; about 45 tokens a row."""
    folder.mkdir(parents=True, exist_ok=True)
    every = [(n, i, q) for n in NAMES for i in ITEMS for q in range(1, 10)]
    picked = random.Random(seed).sample(every, rows + eval_rows)
    lines = [
        json.dumps(
            {
                "prompt": f"{name} orders {qty} {item}",
                "completion": json.dumps({"name": name, "item": item, "qty": qty}),
            }
        )
        for name, item, qty in picked
    ]
    files = TinyData(folder / "train.jsonl", folder / "eval.jsonl")
    files.train.write_text("\n".join(lines[:rows]) + "\n")
    files.eval.write_text("\n".join(lines[rows:]) + "\n")
    return files


def _corpus() -> list[str]:
    """Text whose merges make the tiny data short: about 25 tokens a JSON answer."""
    rows = [
        f'{name} orders {qty} {item} {{"name": "{name}", "item": "{item}", "qty": {qty}}}'
        for name in NAMES
        for item in ITEMS
        for qty in range(1, 10)
    ]
    prose = (
        "You are a helpful assistant. Answer the question in one short line, or say that the "
        "evidence is missing. Instruction, input and output are joined by a blank line. Every "
        "message keeps its place: the system first, then people and models in turns."
    )
    return [*rows, "system", "user", "assistant", prose]


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(_corpus(), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<pad>",
        unk_token="<|endoftext|>",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)


def _config() -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HIDDEN // HEADS,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "max_position_embeddings": 512,
        "vocab_size": VOCAB,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 3,
    }


def _write_weights(folder: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    random_of = np.random.Generator(np.random.PCG64(0))
    kv = HIDDEN // HEADS * KV_HEADS
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCAB, HIDDEN)}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        shapes |= {
            f"{at}input_layernorm.weight": (HIDDEN,),
            f"{at}self_attn.q_proj.weight": (HIDDEN, HIDDEN),
            f"{at}self_attn.k_proj.weight": (kv, HIDDEN),
            f"{at}self_attn.v_proj.weight": (kv, HIDDEN),
            f"{at}self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            f"{at}post_attention_layernorm.weight": (HIDDEN,),
            f"{at}mlp.gate_proj.weight": (INTERMEDIATE, HIDDEN),
            f"{at}mlp.up_proj.weight": (INTERMEDIATE, HIDDEN),
            f"{at}mlp.down_proj.weight": (HIDDEN, INTERMEDIATE),
        }
    shapes["model.norm.weight"] = (HIDDEN,)
    tensors = {
        name: np.ones(shape, np.float32)
        if len(shape) == 1
        else random_of.normal(0.0, 0.05, shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})


if __name__ == "__main__":
    import sys

    target = Path(sys.argv[1])
    print(build_tiny_model(target / "model"))
    print(*build_tiny_data(target), sep="\n")
