"""make bench-trace [ROWS=file.jsonl]: traces against what was measured.

First the published runs of peft's method comparison (a plain loop, LLaMA-3.2-3B, torch's reserved
bytes), row by row: their adapters are settings of peft's own, so the code that is traced is the
code that ran. Then SmolLM2-135M trained for real on this CPU, against the profiler's account.
`peft` or `cpu` as an argument runs one of them.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "engine" / "trace")]

GIB = 1 << 30
MIB = 1 << 20
ROWS = HERE / "data" / "measured_open.jsonl"
ADAPTERS = HERE / "data" / "peft_adapters.json"

# Facts of config.json at the revisions that the catalogue names (hardware/models.toml).
LLAMA_3_2_3B: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 28,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128256,
    "tie_word_embeddings": True,
    "max_position_embeddings": 131072,
}
SMOLLM2_135M: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
    "max_position_embeddings": 8192,
}


def bench_peft(rows: Path) -> None:
    """Reserved bytes of each published run; the loop holds its outputs and pads its rows."""
    from tunewright.engine.trace.setup import Answer, Order, TraceSetup
    from tunewright.engine.trace.worker import answer

    adapters = json.loads(ADAPTERS.read_text())["runs"]
    told: dict[str, Answer] = {}
    errors: list[float] = []
    print(f"{'row':<11}{'run':<58}{'measured':>9}{'traced':>8}{'error':>8}  trained parameters")
    for line in rows.read_text().splitlines():
        row = json.loads(line)
        if row["family"] != "peft" or row["quality"] == "C":
            continue
        name = row["extra"]["name"]
        setup = TraceSetup(
            device="cuda",
            weights="bfloat16",
            trainable="adapter",
            optimizer="adamw_torch",
            micro_batch=row["micro_batch"],
            seq_len=row["extra"]["seq_eff"],
            adapter=adapters[name],
            loss="plain",
            masked=True,
            holds_output=True,
        )
        if name not in told:
            told[name] = _answer_or_why(answer, Order(LLAMA_3_2_3B, setup))
        given = told[name]
        if given.result is None or given.result.reserved_bytes is None:
            why = given.refusal.why if given.refusal else "no figure"
            print(f"{row['id']:<11}{name:<58}{row['measured_gib']:>9.2f}       -  {why[:60]}")
            continue
        predicted = given.result.reserved_bytes / GIB
        errors.append(predicted / row["measured_gib"] - 1)
        same = row["extra"]["ntrain"] in (None, given.result.trained_parameters)
        print(
            f"{row['id']:<11}{name:<58}{row['measured_gib']:>9.2f}{predicted:>8.2f}"
            f"{errors[-1]:>+8.1%}  {'as published' if same else 'NOT as published'}",
            flush=True,
        )
    apart = sorted(map(abs, errors))
    print(
        f"\n{len(errors)} rows: median {statistics.median(apart):.1%}, "
        f"p90 {apart[int(0.9 * (len(apart) - 1) + 0.5)]:.1%}, bias {statistics.mean(errors):+.1%}"
    )


def _answer_or_why(answer: Any, order: Any) -> Any:
    from tunewright.engine.trace.setup import Answer, Refusal

    try:
        return answer(order)
    except (ImportError, NotImplementedError, RuntimeError, AssertionError) as error:
        # A method that needs the weights' values, or a package that is not there.
        return Answer(refusal=Refusal("not traced", (str(error).splitlines() or [""])[0], ""))


def bench_cpu() -> None:
    """SmolLM2-135M in float32, 512 tokens: highest bytes of tensors, and the process's growth."""
    import msgspec
    from real_step import measure
    from traced import LORA, traced

    from tunewright.engine.trace.setup import Order, TraceSetup

    def step(**changes: Any) -> TraceSetup:
        facts: dict[str, Any] = {
            "device": "cpu",
            "weights": "float32",
            "trainable": "adapter",
            "adapter": LORA | {"r": 16, "lora_alpha": 32},
            "optimizer": "adamw_torch",
            "micro_batch": 1,
            "seq_len": 512,
            "compute": "float32",
            "loss": "plain",
        }
        return TraceSetup(**(facts | changes))

    whole = {"trainable": "all", "adapter": {}}
    steps = {
        "LoRA": step(),
        "LoRA, checkpointed": step(gradient_checkpointing=True),
        "LoRA, 4 rows": step(micro_batch=4),
        "LoRA, 4 rows, checkpointed": step(micro_batch=4, gradient_checkpointing=True),
        "LoRA, 4 rows of unlike length": step(micro_batch=4, masked=True),
        "full": step(**whole),
        "full, checkpointed": step(**whole, gradient_checkpointing=True),
    }
    found = traced({name: Order(SMOLLM2_135M, setup) for name, setup in steps.items()})
    print(f"\n{'SmolLM2-135M on this CPU, MiB':<34}{'real':>9}{'traced':>9}{'error':>9}{'RSS':>9}")
    for name, setup in steps.items():
        real = measure(SMOLLM2_135M, msgspec.to_builtins(setup))
        predicted = found[name].allocated_bytes
        print(
            f"{name:<34}{real.allocated / MIB:>9.1f}{predicted / MIB:>9.1f}"
            f"{predicted / real.allocated - 1:>+9.2%}{real.resident / MIB:>9.1f}",
            flush=True,
        )


def bench_seconds() -> None:
    """How long one trace takes by itself, from the start of its process: 8B LoRA, checkpointed."""
    import tempfile

    from tunewright.engine.trace.setup import TraceSetup
    from tunewright.engine.trace.trace import trace

    config = LLAMA_3_2_3B | {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "tie_word_embeddings": False,
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        started = time.perf_counter()
        found = trace(
            Path(folder),
            TraceSetup(
                device="cuda",
                weights="bfloat16",
                trainable="adapter",
                optimizer="adamw_torch_fused",
                micro_batch=1,
                seq_len=2048,
                gradient_checkpointing=True,
                adapter={
                    "peft_type": "LORA",
                    "task_type": "CAUSAL_LM",
                    "r": 16,
                    "lora_alpha": 32,
                    "target_modules": "all-linear",
                },
                adapter_dtype="float32",
                autocast="bfloat16",
            ),
        )
    print(
        f"\n8B LoRA step, checkpointed: {time.perf_counter() - started:.1f} s, "
        f"{found.allocated_bytes / GIB:.2f} GiB allocated, "
        f"{(found.reserved_bytes or 0) / GIB:.2f} reserved"
    )


def main() -> None:
    asked = [word for word in sys.argv[1:] if word in ("peft", "cpu", "seconds")]
    files = [Path(word) for word in sys.argv[1:] if word not in asked]
    if not asked or "seconds" in asked:
        bench_seconds()
    if not asked or "peft" in asked:
        bench_peft(files[0] if files else ROWS)
    if not asked or "cpu" in asked:
        bench_cpu()


if __name__ == "__main__":
    main()
