"""Loading the tokenizer and the base model: local, safetensors only, in the planned precision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunewright.hardware.errors import Problem


def load_tokenizer(model_dir: Path) -> Any:
    """The tokenizer of a local model folder."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model_dir, local_files_only=True, trust_remote_code=False)


def load_base(
    model_dir: Path,
    device: str,
    *,
    dtype: str,
    attention: str,
    quantization: Mapping[str, Any],
) -> Any:
    """The base model in `dtype` on `device`; `quantization` are BitsAndBytesConfig's arguments.

    The dtype is always said: left out, transformers takes the folder's, and TRL float32. `Problem`
    for pickled weights, which could run code when they are read.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    if not any(model_dir.glob("*.safetensors")):
        raise Problem(
            f"{model_dir} has no .safetensors weights",
            why="other formats are pickles, which can run code when they are read",
            cure="convert them on a machine you can lose, or take a folder with safetensors",
        )
    options: dict[str, Any] = {}
    if quantization:
        options["quantization_config"] = BitsAndBytesConfig(**quantization)
    if quantization or device == "cuda":
        # Straight to the device: a full copy in host memory first would be a second peak.
        # Of several processes each has a device of its own, and has made it the current one.
        own = f"cuda:{torch.cuda.current_device()}" if device == "cuda" else "cpu"
        options["device_map"] = {"": own}
    model = AutoModelForCausalLM.from_pretrained(
        model_dir,
        dtype=getattr(torch, dtype),
        attn_implementation=attention,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        **options,
    )
    if quantization and device == "cpu":
        keep_differentiable(model)
    return model


def keep_differentiable(model: Any) -> None:
    """Keep bitsandbytes from repacking 4-bit weights on a CPU with AVX512-BF16.

    Its `Linear4bit` does so at the first evaluation, for good, into a layout whose product has no
    backward pass (bitsandbytes 0.50.2, nn/modules.py): training after an evaluation would lose the
    gradients of all layers below, with no more than a warning.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
