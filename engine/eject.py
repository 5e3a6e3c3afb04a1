"""A run as a script that needs no Tunewright: plain transformers, TRL and peft, same losses.

Beside `train.py` stand the rows as they were split, and a configuration for `accelerate launch`.
"""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.data.example import Example
from tunewright.engine.data.prepared import read_split
from tunewright.engine.homes import cache_home
from tunewright.engine.model import resolve_model
from tunewright.engine.plan import Decision, Plan
from tunewright.engine.session import Session, load_session
from tunewright.engine.train.registry import method as method_of
from tunewright.engine.train.rules.consistency import check_plan
from tunewright.engine.train.threads import recorded_threads
from tunewright.hardware.errors import Problem


def eject(source: Path, out: Path) -> Path:
    """Write train.py, data/*.jsonl and accelerate.yaml to `out`; returns the script's path.

    `source` is a run directory or a session file with a plan. `Problem` when there is no plan, the
    data changed since, or `out` holds something.
    """
    path = source / "session.json" if source.is_dir() else source
    session = load_session(path)
    plan = session.plan
    if plan is None:
        raise Problem(
            f"{path} has no plan",
            why="a script needs settings, and this session only says what is wanted",
            cure="plan it first: tunewright --replay SESSION --dry-run",
        )
    check_plan(plan)
    if out.exists() and any(out.iterdir()):
        raise Problem(
            f"{out} is not empty",
            why="a file of yours could be overwritten",
            cure="name a new folder",
        )
    base = path.parent
    model = resolve_model(session.inputs.model, base, cache_home())
    train, held_out, _ = read_split(session.inputs.data, base, session.inputs.seed)
    # It holds the person's rows: private, as the run directory was.
    for folder in (out, out / "data"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_rows(out / "data" / "train.jsonl", train)
    _write_rows(out / "data" / "eval.jsonl", held_out)
    (out / "accelerate.yaml").write_text(_accelerate(plan), encoding="utf-8")
    threads = recorded_threads(base / "results").get("train")
    script = out / "train.py"
    script.write_text(render_script(session, model, bool(held_out), threads), encoding="utf-8")
    return script


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
        _ROWS,
        (_TOKEN_MEAN if len(plan.devices) < 2 else _SHARED_TOKEN_MEAN) if evaluates else "",
        _main(plan, evaluates, threads),
    ]
    return "\n\n\n".join(part.strip("\n") for part in parts if part) + "\n"


_HEADER = '''
"""{name}: {method}, ejected from Tunewright; needs transformers, trl, peft and datasets only.

    python train.py [MODEL]        or: accelerate launch --config_file accelerate.yaml train.py
"""
'''


def _header(name: str, title: str, devices: int) -> str:
    text = _HEADER.format(name=_one_line(name), method=title)
    # Alone it would have one device, and a smaller batch than was planned.
    return text if devices < 2 else text.replace("python train.py [MODEL]        or: ", "")


# transformers tells a template that asks for it today's date; the rows were trained with another.
_DAY = '''
class Day(datetime.datetime):
    """The chat template asks for the day: it is told that of the run."""

    @classmethod
    def now(cls, tz=None):
        return cls.fromisoformat("{date}")


transformers.utils.chat_template_utils.datetime = Day
'''

_ROWS = '''
def read_rows(path, tokenizer):
    """A dataset of token ids and labels from one JSON object with `messages`, and perhaps
    `tools`, a line."""
    lines = path.read_text(encoding="utf-8").split("\\n")
    rows = [tokenize(json.loads(line), tokenizer) for line in lines if line]
    return Dataset.from_dict({key: [row[key] for row in rows] for key in ("input_ids", "labels")})
'''

_TOKEN_MEAN = '''
class TokenMeanTrainer(SFTTrainer):
    """SFTTrainer whose evaluation loss is the mean over tokens, not over batches."""

    def evaluation_loop(self, *args, **kwargs):
        self.nats, self.tokens = 0.0, 0
        output = super().evaluation_loop(*args, **kwargs)
        output.metrics["eval_loss"] = self.nats / max(1, self.tokens)
        return output

    def prediction_step(self, model, inputs, *args, **kwargs):
        trained = int((inputs["labels"][..., 1:] != -100).sum())
        output = super().prediction_step(model, inputs, *args, **kwargs)
        self.nats += float(output[0]) * trained
        self.tokens += trained
        return output
'''

# Each process has measured its share of the rows.
_SHARED_TOKEN_MEAN = _TOKEN_MEAN.replace(
    "        output.metrics",
    """        # Rows that fill up the last batch of a process count twice.
        sums = torch.tensor([self.nats, self.tokens], device=self.args.device)
        self.nats, self.tokens = self.accelerator.reduce(sums, "sum").tolist()
        output.metrics""",
)

_CHAT = '''
def encode(messages, tokenizer, **options):
    """Token ids of rendered turns; the template writes the special tokens itself."""
    text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
    return tokenizer(text, add_special_tokens=False)["input_ids"]
'''

# What carries loss, by `loss.on`; -100 is what cross entropy leaves out.
_TOKENIZE = {
    ("chat", "completion"): _CHAT
    + '''

def tokenize(row, tokenizer):
    """Ids of a row; only the last answer carries loss."""
    messages, tools = row["messages"], row.get("tools")
    ids = encode(messages, tokenizer, tools=tools)
    start = len(encode(messages[:-1], tokenizer, tools=tools, add_generation_prompt=True))
    return {"input_ids": ids, "labels": [-100] * start + ids[start:]}
''',
    ("chat", "assistant"): _CHAT
    + '''

def tokenize(row, tokenizer):
    """Ids of a row; every answer of the assistant carries loss."""
    messages, tools = row["messages"], row.get("tools")
    ids = encode(messages, tokenizer, tools=tools)
    labels = [-100] * len(ids)
    for turn, message in enumerate(messages):
        if message["role"] == "assistant":
            before, after = messages[:turn], messages[: turn + 1]
            start = len(encode(before, tokenizer, tools=tools, add_generation_prompt=True))
            end = len(encode(after, tokenizer, tools=tools))
            labels[start:end] = ids[start:end]
    return {"input_ids": ids, "labels": labels}
''',
    ("chat", "all"): _CHAT
    + '''

def tokenize(row, tokenizer):
    """Ids of a row; every token carries loss."""
    ids = encode(row["messages"], tokenizer, tools=row.get("tools"))
    return {"input_ids": ids, "labels": list(ids)}
''',
}

_PLAIN = '''
def encode(text, tokenizer):
    """Token ids of plain text: this model has no chat template."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    starts_with_bos = tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id]
    return [tokenizer.bos_token_id, *ids] if starts_with_bos else ids


def tokenize(row, tokenizer):
    """Ids of a row; {what} carries loss."""
    messages = row["messages"]
    prompt = "".join(message["content"] for message in messages[:-1])
    ids = encode(prompt + messages[-1]["content"], tokenizer)
    if ids[-1:] != [tokenizer.eos_token_id]:
        ids = [*ids, tokenizer.eos_token_id]
    start = {start}
    return {{"input_ids": ids, "labels": [-100] * start + ids[start:]}}
'''

_PLAIN_START = (
    "next((i for i, (a, b) in enumerate(zip(encode(prompt, tokenizer), ids)) if a != b),\n"
    "                 len(encode(prompt, tokenizer)))"
)


def _tokenize(loss_on: str, rendering: str) -> str:
    if rendering == "chat":
        return _TOKENIZE[rendering, loss_on]
    everything = loss_on == "all"
    return _PLAIN.format(
        what="every token" if everything else "the last answer",
        start="0" if everything else _PLAIN_START,
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
    return _DAY.format(date=date.isoformat()) if date else ""


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


def _accelerate(plan: Plan) -> str:
    """One process on each device, which are named by UUID; the script's own settings say the rest.
    accelerate puts `gpu_ids` into CUDA_VISIBLE_DEVICES as they stand."""
    count = max(1, len(plan.devices))
    mixed = "bf16" if plan.value("training.bf16") else "no"
    mixed = "fp16" if plan.value("training.fp16") else mixed
    lines = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU" if count > 1 else "'NO'",
        "mixed_precision": f"'{mixed}'",
        "use_cpu": "true" if plan.device.value == "cpu" else "false",
        "num_machines": "1",
        "num_processes": str(count),
        "machine_rank": "0",
        "main_training_function": "main",
    }
    if count > 1:
        lines["gpu_ids"] = f"'{','.join(device.uuid or device.label for device in plan.devices)}'"
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


def _write_rows(path: Path, examples: Sequence[Example]) -> None:
    path.write_bytes(b"".join(_lines(examples)))


def _lines(examples: Iterable[Example]) -> Iterable[bytes]:
    for example in examples:
        turns = [message.turn() for message in example.messages]
        row: dict[str, Any] = {"messages": turns}
        if example.tools:
            row["tools"] = list(example.tools)
        yield msgspec.json.encode(row) + b"\n"


def _one_line(text: str) -> str:
    """Text of people and data on one line of a comment or docstring, unable to end it."""
    return " ".join(text.split()).replace("\\", "/").replace('"""', "'''")
