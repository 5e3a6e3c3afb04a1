"""One GGUF file to a safetensors model folder in bf16. Run as a process: it needs about 1.5 GB.

`python -m tunewright.engine.demo.convert GGUF OUT` prints the library versions as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def convert(gguf: Path, out: Path) -> dict[str, str]:
    """Write SmolLM2 of `gguf` dequantized to bf16, with its tokenizer and chat template, to `out`.

    Returns the versions of what converted it. ValueError when a weight is not finite or the file
    lacks a chat template: both mean that the file is not the one this was written for.
    """
    import gguf as gguf_package
    import torch
    import transformers

    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    if not tokenizer.chat_template:
        raise ValueError(f"{gguf.name} holds no chat template")
    # Without dequantize=True the model stays packed and save_pretrained refuses it.
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        quantization_config=transformers.GgufConfig(dequantize=True),
        dtype=torch.float32,
    )
    for name, weight in model.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise ValueError(f"{gguf.name}: weight {name} is not finite")
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.model_max_length = model.config.max_position_embeddings
    tokenizer.save_pretrained(out)
    _split_digits(out / "tokenizer.json")
    # What only tells how this conversion loaded the file would mislead the next reader.
    _drop_keys(out / "config.json", "_model_name_or_path")
    _drop_keys(out / "tokenizer_config.json", "is_local", "local_files_only")
    _drop_keys(out / "generation_config.json", "_from_model_config")
    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "gguf": _version(gguf_package.__name__),
    }


def _split_digits(path: Path) -> None:
    """Cut text at every digit before merging, as the model was trained.

    The GGUF names this in one word (`tokenizer.ggml.pre` is "smollm"), which transformers does not
    translate: without it a blank before a number ("\\n  7" in indented JSON) is cut in another way.
    """
    stored = json.loads(path.read_text(encoding="utf-8"))
    digits = {"type": "Digits", "individual_digits": True}
    stored["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [digits, stored["pre_tokenizer"]],
    }
    path.write_text(json.dumps(stored, ensure_ascii=False, indent=2), encoding="utf-8")


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _drop_keys(path: Path, *keys: str) -> None:
    kept = {k: v for k, v in json.loads(path.read_text()).items() if k not in keys}
    path.write_text(json.dumps(kept, indent=2) + "\n")


def main(arguments: list[str]) -> int:
    """Convert arguments[0] into the folder arguments[1]; the last line of stdout is JSON."""
    versions = convert(Path(arguments[0]), Path(arguments[1]))
    print(json.dumps(versions))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
