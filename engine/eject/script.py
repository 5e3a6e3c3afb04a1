"""The text of an ejected `train.py`: plain transformers, TRL and peft."""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Mapping
from pathlib import Path

from tunewright.engine.eject.parts import (
    DAY,
    HEADER,
    PLAIN,
    PLAIN_START,
    ROWS,
    SHARED_TOKEN_MEAN,
    TOKEN_MEAN,
    TOKENIZE,
)
from tunewright.engine.plan import Decision, Plan
from tunewright.engine.session import Session
from tunewright.engine.train.registry import method as method_of


def render_script(
    session: Session, model: Path, has_held_out: bool, threads: int | None = None
) -> str:
    """The text of train.py. `threads` are the CPU threads that the run used: with another count
    sums are added up in another order, and the last digits of a loss differ."""
    plan = session.plan
    assert plan is not None
    method = method_of(plan.method.value)
    evaluates = has_held_out and plan.value("training.eval_strategy") != "no"
    parts = [
        _header(session.inputs.name, method.title, len(plan.devices)),
        _imports(plan, dated=session.inputs.data.date is not None),
        _constants(model, method.makes),
        _settings("TRAINING", "SFTConfig", plan, "training"),
        _settings("ADAPTER", "peft.LoraConfig", plan, "lora"),
        _settings("QUANTIZATION", "BitsAndBytesConfig", plan, "quantization"),
        _day(session.inputs.data.date),
        _tokenize(plan.value("loss.on"), _rendering(session)),
        ROWS,
        (TOKEN_MEAN if len(plan.devices) < 2 else SHARED_TOKEN_MEAN) if evaluates else "",
        _main(plan, evaluates, threads),
    ]
    return "\n\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _header(name: str, title: str, devices: int) -> str:
    text = HEADER.format(name=_one_line(name), method=title)
    # Alone it would have one device, and a smaller batch than was planned.
    return text if devices < 2 else text.replace("python train.py [MODEL]        or: ", "")


def _tokenize(loss_on: str, rendering: str) -> str:
    if rendering == "chat":
        return TOKENIZE[rendering, loss_on]
    everything = loss_on == "all"
    return PLAIN.format(
        what="every token" if everything else "the last answer",
        start="0" if everything else PLAIN_START,
    )


def _rendering(session: Session) -> str:
    return session.recorded.data.rendering if session.recorded else "chat"


def _imports(plan: Plan, *, dated: bool) -> str:
    names = ["AutoModelForCausalLM", "AutoTokenizer"]
    if plan.group("quantization"):
        names.append("BitsAndBytesConfig")
    lines = [
        *(["import datetime"] if dated else []),
        "import json",
        *(["import os"] if len(plan.devices) > 1 else []),
        "import sys",
        "from pathlib import Path",
        "",
        "import torch",
        *(["import transformers.utils.chat_template_utils"] if dated else []),
        "from datasets import Dataset",
        *(["from peft import LoraConfig"] if plan.group("lora") else []),
        f"from transformers import {', '.join(names)}",
        "from trl import SFTConfig, SFTTrainer",
    ]
    return "\n".join(lines)


def _constants(model: Path, makes: str) -> str:
    return "\n".join(
        [
            "HERE = Path(__file__).parent",
            f"MODEL = sys.argv[1] if len(sys.argv) > 1 else {str(model)!r}",
            f"RESULT = HERE / {makes!r}",
        ]
    )


def _settings(name: str, config: str, plan: Plan, group: str) -> str:
    """A dict of one group's settings, each under its reason."""
    chosen = {
        key.removeprefix(f"{group}."): decision
        for key, decision in plan.settings.items()
        if key.startswith(f"{group}.")
    }
    if not chosen:
        return ""
    return f"# Arguments of {config}.\n{name} = dict(\n{_arguments(chosen)}\n)"


def _arguments(chosen: Mapping[str, Decision]) -> str:
    lines: list[str] = []
    for name, decision in chosen.items():
        lines += textwrap.wrap(
            _one_line(decision.because), 95, initial_indent="    # ", subsequent_indent="    # "
        )
        lines.append(f"    {name}={decision.value!r},")
    return "\n".join(lines)


def _day(date: datetime.date | None) -> str:
    return DAY.format(date=date.isoformat()) if date else ""


def _main(plan: Plan, evaluates: bool, threads: int | None) -> str:
    cpu, several = plan.device.value == "cpu", len(plan.devices) > 1
    quantized, adapted = bool(plan.group("quantization")), bool(plan.group("lora"))
    load = [f"dtype=torch.{plan.value('model.dtype')},"]
    load.append(f"attn_implementation={plan.value('model.attn_implementation')!r},")
    if quantized:
        load.append("quantization_config=BitsAndBytesConfig(**QUANTIZATION),")
    if several and not cpu:
        load.append('device_map={"": f"cuda:{os.environ.get(\'LOCAL_RANK\', 0)}"},')
    elif quantized or not cpu:
        load.append(f"device_map={{'': {'cpu' if cpu else 'cuda:0'!r}}},".replace("'", '"'))
    load += ["local_files_only=True,", "use_safetensors=True,"]
    body = [
        *([f"torch.set_num_threads({threads})"] if cpu and threads else []),
        "tokenizer = AutoTokenizer.from_pretrained(MODEL, local_files_only=True)",
        "model = AutoModelForCausalLM.from_pretrained(",
        "    MODEL,",
        *(f"    {line}" for line in load),
        ")",
    ]
    if quantized and cpu:
        body += [
            "# On AVX512-BF16 bitsandbytes would repack the weights at the first evaluation into a",
            "# layout without a backward pass.",
            "for module in model.modules():",
            '    if hasattr(module, "support_avx512bf16_for_cpu"):',
            "        module.support_avx512bf16_for_cpu = False",
        ]
    body += [
        f"trainer = {'TokenMeanTrainer' if evaluates else 'SFTTrainer'}(",
        "    model=model,",
        f'    args=SFTConfig(output_dir=str(HERE / "checkpoints"), use_cpu={cpu}, **TRAINING),',
        '    train_dataset=read_rows(HERE / "data" / "train.jsonl", tokenizer),',
        *(
            ['    eval_dataset=read_rows(HERE / "data" / "eval.jsonl", tokenizer),']
            if evaluates
            else []
        ),
        "    processing_class=tokenizer,",
        *(['    peft_config=LoraConfig(task_type="CAUSAL_LM", **ADAPTER),'] if adapted else []),
        ")",
    ]
    if quantized and not plan.value("training.bf16"):
        body += [
            "# TRL turns the adapter of a quantized base to bfloat16; there is no such arithmetic.",
            "for parameter in trainer.model.parameters():",
            "    if parameter.requires_grad:",
            "        parameter.data = parameter.data.to(torch.float32)",
        ]
    # Of several processes each has the whole result, and one writes it.
    saves = ["trainer.model.save_pretrained(RESULT)", "tokenizer.save_pretrained(RESULT)"]
    body.append("trainer.train()")
    if several:
        body += ["if trainer.is_world_process_zero():", *(f"    {line}" for line in saves)]
    else:
        body += saves
    return (
        "def main():\n"
        + textwrap.indent("\n".join(body), "    ")
        + ('\n\n\nif __name__ == "__main__":\n    main()\n')
    )


def _one_line(text: str) -> str:
    """Text of people and data on one line of a comment or docstring, unable to end it."""
    return " ".join(text.split()).replace("\\", "/").replace('"""', "'''")
