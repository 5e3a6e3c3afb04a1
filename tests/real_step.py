"""Two real training steps on the CPU, and the highest bytes of tensors that they held.

`python tests/real_step.py ORDER.json` prints the peak of an `Order` (engine/trace/setup.py): the
plain loss of transformers (or TRL's DPOTrainer) and torch's optimizers, on random weights. A
process of its own, since the profiler counts from its start. RSS is the growth of the resident
size over the imports.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple


class Measured(NamedTuple):
    """Peak bytes of tensors, and of the process over what it held before."""

    allocated: int
    resident: int


def measure(config: dict[str, Any], setup: dict[str, Any]) -> Measured:
    """Run the steps of a TraceSetup (as a dict) for real in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        order = Path(folder) / "order.json"
        order.write_text(json.dumps({"config": config, "setup": setup}))
        done = subprocess.run(
            [sys.executable, __file__, str(order)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return Measured(*map(int, done.stdout.split()[-2:]))


def _steps(config: dict[str, Any], setup: dict[str, Any]) -> None:
    import torch
    from peft import get_peft_config, get_peft_model
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM, Trainer, TrainingArguments

    made = CONFIG_MAPPING[config["model_type"]].from_dict(config)
    made.use_cache = False
    model: Any = AutoModelForCausalLM.from_config(made, attn_implementation="sdpa")
    if setup["trainable"] == "adapter":
        model = get_peft_model(model, get_peft_config(dict(setup["adapter"])))
    if setup["trainer"] == "dpo":
        _dpo(model, made, setup)
        return
    if setup["gradient_checkpointing"]:
        if setup["trainable"] == "adapter":
            model.enable_input_require_grads()
        model.activation_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
    if setup["sharding"] == "fsdp":
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh("cpu", (setup["devices"],))
        for layer in model.model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
    if setup["sharding"] == "ddp":
        # As transformers and accelerate wrap it.
        checkpointed = setup["gradient_checkpointing"] and setup["trainable"] == "all"
        model = torch.nn.parallel.DistributedDataParallel(
            model, find_unused_parameters=not checkpointed
        )
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    arguments = TrainingArguments(output_dir="unused", optim=setup["optimizer"], use_cpu=True)
    kind, settings = Trainer.get_optimizer_cls_and_kwargs(arguments)
    optimizer = kind(parameters, **settings)
    rows, length = setup["micro_batch"], setup["seq_len"]
    for _ in range(2):
        ids = torch.randint(2, config["vocab_size"], (rows, length))
        mask = torch.ones_like(ids)
        if setup["masked"]:
            mask[0, -1] = 0
        loss = model(input_ids=ids, attention_mask=mask, labels=ids).loss
        loss.backward()
        del loss
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()


def _dpo(model: Any, config: Any, setup: dict[str, Any]) -> None:
    """Two steps of TRL's DPOTrainer; answers of a pair differ in length."""
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
    from trl import DPOConfig, DPOTrainer

    words = Tokenizer(models.WordLevel({"word": 0, "<eos>": 1, "<pad>": 2}, unk_token="word"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<eos>", pad_token="<pad>"
    )
    half = setup["seq_len"] // 2
    longest, shorter = " word" * (setup["seq_len"] - half - 1), " word" * (half - 2)
    row = {"prompt": "word" + " word" * (half - 1), "chosen": longest, "rejected": shorter}
    row = {name: text + " <eos>" if name != "prompt" else text for name, text in row.items()}
    reference = None
    if setup["trainable"] == "all":
        reference = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    with tempfile.TemporaryDirectory() as folder:
        arguments = DPOConfig(
            output_dir=folder, use_cpu=True, bf16=False, report_to="none", save_strategy="no",
            max_steps=2, per_device_train_batch_size=setup["micro_batch"], max_length=None,
            optim=setup["optimizer"], disable_tqdm=True,
            gradient_checkpointing=setup["gradient_checkpointing"],
            gradient_checkpointing_kwargs={"use_reentrant": False, "preserve_rng_state": False},
        )  # fmt: skip
        DPOTrainer(
            model, reference, arguments, train_dataset=Dataset.from_list([row] * 8),
            processing_class=tokenizer,
        ).train()  # fmt: skip


def _peak(trace: Path) -> int:
    """The profiler's "Total Allocated" leaks across sessions, so signed sizes are summed."""
    events = json.loads(trace.read_bytes())["traceEvents"]
    memory = [event for event in events if event.get("name") == "[memory]"]
    now = peak = 0
    for event in sorted(memory, key=lambda event: event["ts"]):
        now += event["args"]["Bytes"]
        peak = max(peak, now)
    return peak


def main() -> None:
    import torch
    from torch.profiler import ProfilerActivity, profile

    from tunewright.engine.train.peak import host_peak_bytes, reset_host_peak

    order = json.loads(Path(sys.argv[1]).read_bytes())
    rank = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    torch.manual_seed(0)
    devices = order["setup"]["devices"]
    if devices > 1:
        import torch.distributed as distributed

        others = [
            subprocess.Popen([sys.executable, __file__, sys.argv[1], str(other)])
            for other in range(1, devices)
            if rank == 0
        ]
        distributed.init_process_group(
            "gloo", init_method=f"file://{sys.argv[1]}.store", rank=rank, world_size=devices
        )
    # A first run: what libraries load on first use is not of the step.
    small = order["config"] | {"num_hidden_layers": 1, "hidden_size": 64, "intermediate_size": 64}
    small |= {"num_attention_heads": 1, "num_key_value_heads": 1, "vocab_size": 64}
    small.pop("head_dim", None)
    _steps(small, order["setup"] | {"micro_batch": 1, "seq_len": 8})
    reset_host_peak()
    before = host_peak_bytes()
    # Apart from the profiler, whose own account of every event is large.
    _steps(order["config"], order["setup"])
    resident = host_peak_bytes() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        _steps(order["config"], order["setup"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        if rank == 0:
            print(_peak(path), resident)
    if devices > 1:
        distributed.destroy_process_group()
        for other in others:
            other.wait()


if __name__ == "__main__":
    main()
