"""Rows of any source: every kind of run is scored sensibly, and nothing that is missing crashes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parent.parent / "bench"

# (model, method, what differs from a plain LoRA of 1 x 2048 tokens, sensible GiB: from, to)
KINDS: list[tuple[str, str, dict[str, Any], float, float]] = [
    ("google/gemma-2-9b-it", "lora", {}, 20, 60),
    ("gemma-3-12b-it", "qlora", {"grad_ckpt": True}, 8, 30),
    ("mixtral-8x7b-instruct-v0.1", "qlora", {"grad_ckpt": True}, 85, 120),
    ("Qwen/Qwen3-30B-A3B", "lora", {"grad_ckpt": True}, 56, 90),
    ("deepseek-v2-lite", "lora", {"grad_ckpt": "unsloth", "family": "unsloth"}, 28, 50),
    ("falcon-7b-instruct", "lora", {}, 14, 40),
    ("EleutherAI/pythia-6.9b", "full", {"grad_ckpt": True, "optimizer": "adamw 8bit"}, 35, 70),
    ("mistralai/Mistral-7B-Instruct-v0.2", "dpo", {"grad_ckpt": True}, 60, 130),
    ("llama3.1-8b-instruct", "dpo+qlora", {"grad_ckpt": True, "weight_dtype": "4bit"}, 8, 40),
    ("llama3-8b", "orpo+lora", {"grad_ckpt": True}, 16, 50),
    ("llama2-7b-chat", "ppo", {"grad_ckpt": True, "sharding": "ZeRO-3", "n_gpus": 8}, 10, 80),
    ("qwen2.5-7b-instruct", "grpo", {"grad_ckpt": True, "n_gpus": 4, "sharding": "fsdp2"}, 15, 80),
    ("qwen2.5-14b", "full", {"sharding": "zero3+offload", "n_gpus": 8, "grad_ckpt": True}, 3, 40),
    ("qwen2.5-7b", "full", {"sharding": "zero2", "n_gpus": "8", "grad_ckpt": "on"}, 15, 70),
    ("qwen2.5-7b", "full", {"sharding": "zero1", "n_gpus": 8, "grad_ckpt": True}, 20, 90),
    ("llama3-8b", "galore", {"optimizer": "galore_adamw_8bit", "grad_ckpt": True}, 25, 70),
    ("llama3-8b", "lomo", {"optimizer": "lomo", "grad_ckpt": True}, 14, 40),
    ("llama3-8b", "full", {"optimizer": "adafactor", "grad_ckpt": True}, 25, 70),
    ("unsloth/llama-3-8b-bnb-4bit", "qlora", {"family": "unsloth", "weight_dtype": None}, 5, 20),
    ("llama3-8b", "lora", {"packing_loss_kernel": "liger", "grad_ckpt": True}, 14, 22),
    ("llama3-8b", "lora", {"family": "torchtune", "seq_len": "8k", "grad_ckpt": True}, 18, 60),
    ("qwen2.5-7b", "lora", {"family": "llama-factory", "grad_ckpt": None}, 14, 40),
    ("phi-3-mini-4k-instruct", "dora", {"family": "axolotl"}, 7, 35),
    ("llama3.1-8b", "lora", {"seq_len": 32768, "attn": "flash_attention_2", "grad_ckpt": True},
     60, 140),
    ("llama3.1-8b", "lora", {"targets": "qv", "weight_dtype": "int8"}, 8, 40),
]  # fmt: skip


def row(model: str, method: str, differs: dict[str, Any], measured: float) -> dict[str, Any]:
    plain = {
        "id": f"{model} {method}", "family": "hand-made", "model": model, "method": method,
        "rank": 16, "targets": "all-linear", "weight_dtype": "nf4" if "qlora" in method else "bf16",
        "micro_batch": 1, "seq_len": 2048, "grad_ckpt": False, "measured_gib": measured,
        "kind": "train", "quality": "B",
    }  # fmt: skip
    return plain | differs


def scored(rows: list[Any], path: Path) -> dict[str, Any]:
    path.write_text("\n".join(json.dumps(one) for one in rows), "utf-8")
    done = subprocess.run(
        [sys.executable, BENCH / "bench_sizing.py", path, "--json", "--rules"],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_kind_of_training_gets_a_sensible_figure(tmp_path: Path) -> None:
    rows = []
    for number, (model, method, differs, least, most) in enumerate(KINDS):
        family = f"{number} {differs.get('family', '')}"
        rows.append(row(model, method, differs | {"family": family}, (least * most) ** 0.5))
    answer = scored(rows, tmp_path / "rows.jsonl")
    assert answer["train"]["rows"] == len(KINDS)
    for (model, method, _, least, most), family in zip(
        KINDS, answer["families"].values(), strict=True
    ):
        expected = (1 + family["bias"]) * (least * most) ** 0.5
        assert least <= expected <= most, (model, method, expected)
    assert any("rank" in words or "step of" in words for words in answer["assumed"])


@pytest.mark.parametrize("how", ["missing", "null", "text", "list"])
def test_no_field_is_needed_but_model_figure_and_length(tmp_path: Path, how: str) -> None:
    open_rows = (BENCH / "data" / "measured_open.jsonl").read_text("utf-8").splitlines()
    samples = [json.loads(line) for line in open_rows[::12]]
    spoiled = []
    for sample in samples:
        for name in sample:
            one = dict(sample)
            if how == "missing":
                del one[name]
            else:
                one[name] = {"null": None, "text": "?!", "list": []}[how]
            spoiled.append(one)
    answer = scored(spoiled, tmp_path / "rows.jsonl")
    assert answer["train"]["rows"] + answer["serve"]["rows"] > len(spoiled) // 2


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"model": "llama3-8b"}\n[1]\n', "utf-8")
    done = subprocess.run(
        [sys.executable, BENCH / "bench_sizing.py", path, "--rules"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "line 2" in done.stderr
