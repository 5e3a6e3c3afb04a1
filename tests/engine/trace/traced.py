"""Tracing many steps in one process, since importing the libraries takes most of the time."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec

from tunewright.engine.trace.setup import Answer, Order, TraceResult, TraceSetup

_MANY = """
import os, sys
import msgspec
from tunewright.engine.trace.setup import Answer, Order
from tunewright.engine.trace.worker import answer
out = os.dup(1)
os.dup2(2, 1)
orders = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Order])
with os.fdopen(out, "wb") as file:
    file.write(msgspec.json.encode([answer(order) for order in orders]))
"""

LORA = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "r": 8,
    "lora_alpha": 16,
    "target_modules": "all-linear",
}


def llama(layers: int, **changes: Any) -> dict[str, Any]:
    """config.json of a small Llama with grouped heads."""
    return {
        "model_type": "llama",
        "hidden_size": 128,
        "intermediate_size": 352,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 4000,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
    } | changes


def step(**changes: Any) -> TraceSetup:
    """A LoRA step as Tunewright runs it on a GPU, unless changed."""
    facts: dict[str, Any] = {
        "device": "cuda",
        "weights": "bfloat16",
        "trainable": "adapter",
        "optimizer": "adamw_torch_fused",
        "micro_batch": 2,
        "seq_len": 192,
        "adapter": LORA,
        "adapter_dtype": "float32",
        "autocast": "bfloat16",
    }
    return TraceSetup(**(facts | changes))


def full(**changes: Any) -> TraceSetup:
    """The same with every weight trained."""
    return step(**({"trainable": "all", "adapter": {}, "adapter_dtype": None} | changes))


def answers(*orders: Order) -> list[Answer]:
    """What the worker answers to each order, in one process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _MANY],
        input=msgspec.json.encode(orders),
        capture_output=True,
        timeout=280,
        check=False,
    )
    assert not done.returncode, done.stderr.decode()[-3000:]
    return msgspec.json.decode(done.stdout, type=list[Answer])


def traced(orders: dict[str, Order]) -> dict[str, TraceResult]:
    """The results by the names of the orders."""
    results: dict[str, TraceResult] = {}
    for name, given in zip(orders, answers(*orders.values()), strict=True):
        assert given.result is not None, (name, given.refusal)
        results[name] = given.result
    return results
