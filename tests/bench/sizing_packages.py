"""Peers that are installed packages, by their own code and offline, where they have a mode.

The models are built on the meta device from the catalogue's configs, as accelerate's command and
hf-vram-calc do from the hub's; what transformers does not build has no answer. Each package is
imported only where it is there (`pip install -e '.[bench]'`), and never by the product.
"""

from __future__ import annotations

import contextlib
import io
from functools import cache
from types import SimpleNamespace
from typing import Any

from sizing_names import model_config
from sizing_peers import Peer
from sizing_rows import GIB, Case


def installed_peers() -> tuple[tuple[Peer, ...], tuple[str, ...]]:
    """(the peers that can be asked here, what is missing with its reason)."""
    found: list[Peer] = []
    missing: list[str] = []
    for title, make in (
        ("accelerate estimate-memory", _accelerate),
        ("hf-mem", _hf_mem),
        ("hf-vram-calc", _hf_vram_calc),
    ):
        try:
            found += make()
        except ImportError as error:
            missing.append(f"{title} is not asked: {error}")
    return tuple(found), tuple(missing)


@cache
def _meta_model(name: str, head: bool) -> Any:
    """The model on the meta device, with its `head` or without; None for what transformers does not
    know."""
    from accelerate import init_empty_weights
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    config = model_config(name)
    try:
        built = AutoConfig.for_model(**config)
        with init_empty_weights():
            return (AutoModelForCausalLM if head else AutoModel).from_config(built)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _name(case: Case) -> str:
    return str(case.row["model"])


def _accelerate() -> list[Peer]:
    from accelerate.commands.estimate import estimate_training_usage
    from accelerate.utils import calculate_maximum_sizes

    @cache
    def sizes(name: str) -> int | None:
        model = _meta_model(name, head=False)  # as its command does
        # Its table is of float32 models and what follows from them.
        return None if model is None else int(calculate_maximum_sizes(model.float())[0])

    def adam(case: Case) -> int | None:
        if case.setup is None or case.setup.trainable != "all" or case.setup.devices > 1:
            return None
        total = sizes(_name(case))
        if total is None:
            return None
        dtype = "float32" if case.setup.weights == "float32" else "bfloat16"
        return max(estimate_training_usage(total, dtype).values())

    def loaded(case: Case) -> int | None:
        if case.setup is not None or case.row["method"] != "infer":
            return None
        part = {"bf16": 2, "fp16": 2, "fp32": 1, "int8": 4, "nf4": 8, "nf4-dq": 8}
        share = part.get(case.row["weight_dtype"] or "bf16")
        total = sizes(_name(case))
        return None if share is None or total is None else total // share

    return [
        Peer("accelerate estimate-memory, Adam", "its code; full fine-tuning, one device", adam),
        Peer("accelerate estimate-memory", "its code; inference, total size", loaded),
    ]


def _hf_mem() -> list[Peer]:
    from hf_mem.safetensors.kv_cache import compute_safetensors_kv_cache_size
    from hf_mem.safetensors.metadata import parse_safetensors_metadata

    @cache
    def weights(name: str) -> int | None:
        model = _meta_model(name, head=True)
        if model is None:
            return None
        header = {
            name: {"dtype": "BF16", "shape": list(tensor.shape)}
            for name, tensor in model.named_parameters()
        }
        return int(parse_safetensors_metadata({"Transformer": header}).bytes_count)

    def predict(case: Case) -> int | None:
        if case.setup is not None or (case.row["weight_dtype"] or "bf16") != "bf16":
            return None
        if case.row["method"] != "infer" or not case.row["seq_len"]:
            return None
        held = weights(_name(case))
        if held is None:
            return None
        config = model_config(_name(case))
        rows = case.row["micro_batch"] or 1
        return held + compute_safetensors_kv_cache_size(config, "BF16", case.row["seq_len"], rows)

    return [Peer("hf-mem", "its code; inference in 16 bits with its cache", predict)]


def _hf_vram_calc() -> list[Peer]:
    from hf_vram_calc.calculator import LlmodelMemoryResult, VRAMCalculator
    from hf_vram_calc.config import ConfigManager

    with contextlib.redirect_stdout(io.StringIO()):
        calculator = VRAMCalculator(ConfigManager())
    dtypes = {
        "bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "nf4": "int4", "int8": "int8",
        "gptq4": "int4", "gptq8": "int8", "awq4": "int4", "fp8": "fp8",
    }  # fmt: skip

    def answers(case: Case, dtype: str, rank: int) -> Any:
        shape = case.shape
        config: Any = SimpleNamespace(
            hidden_size=shape.hidden_size,
            num_layers=shape.num_hidden_layers,
            num_attention_heads=shape.num_attention_heads,
            num_key_value_heads=shape.num_key_value_heads,
        )
        found = LlmodelMemoryResult(
            dtype, case.row["micro_batch"] or 1, case.row["seq_len"] or 2048, rank or 64
        )
        found.calculate_all(config, shape.parameters, calculator)
        return found

    def training(case: Case) -> int | None:
        if case.setup is None or case.setup.devices > 1:
            return None
        dtype = dtypes.get(case.setup.weights)
        if dtype not in calculator.dtype_sizes:
            return None
        found = answers(case, dtype, case.setup.rank)
        full = case.setup.trainable == "all"
        return int((found.training_memory if full else found.lora_memory) * GIB)

    def inference(case: Case) -> int | None:
        if case.setup is not None or case.row["method"] != "infer":
            return None
        dtype = dtypes.get({"bf16": "bfloat16", "nf4-dq": "nf4"}.get(
            case.row["weight_dtype"] or "bf16", case.row["weight_dtype"] or ""))  # fmt: skip
        if dtype not in calculator.dtype_sizes:
            return None
        return int(answers(case, dtype, 64).inference_memory * GIB)

    return [
        Peer("hf-vram-calc, training", "its code; full and LoRA, one device", training),
        Peer("hf-vram-calc", "its code; inference", inference),
    ]
