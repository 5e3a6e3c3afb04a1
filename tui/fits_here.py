"""What fits on a machine at the least, model by model and method by method: lines for a screen."""

from __future__ import annotations

from functools import cache

from rich.text import Text

from tunewright.engine.choose import Ask, Option, options
from tunewright.engine.text import size
from tunewright.hardware.fit import training_memory
from tunewright.hardware.model_catalogue import find_model
from tunewright.hardware.shapes import ModelShape
from tunewright.hardware.snapshot import Snapshot
from tunewright.tui.widgets.gauge import STYLES

# One family from small to large, so that the rows differ in nothing but their size.
MODELS = (
    "HuggingFaceTB/SmolLM2-135M",
    "Qwen/Qwen3-0.6B",
    "Qwen/Qwen3-1.7B",
    "Qwen/Qwen3-4B",
    "Qwen/Qwen3-8B",
    "Qwen/Qwen3-14B",
    "Qwen/Qwen3-32B",
    "meta-llama/Llama-3.3-70B-Instruct",
)
METHODS = ("lora", "qlora", "full")
_TITLES = {"lora": "LoRA", "qlora": "QLoRA", "full": "full"}
# The lightest that a training can be: whatever does not fit so does not fit at all.
LIGHTEST = Ask(seq_len=2048, micro_batch=1, checkpointing=True, sharding="none")
_CELL = 18


def fit_lines(machine: Snapshot, width: int) -> list[Text]:
    """A table of verdicts and safe bounds on the device that training would run on."""
    free = training_memory(machine)[1]
    head = (
        f"What fits in the {size(free)} that are free: one row of {LIGHTEST.seq_len:,} tokens at a "
        "time, checkpointed; the safe bound"
    )
    lines = [Text(head, "bold", no_wrap=True)]
    lines[0].truncate(width, overflow="ellipsis")
    room = max(8, width - len(METHODS) * _CELL - 2)
    names = "".join(f"{_TITLES[id]:<{_CELL}}" for id in METHODS)
    lines.append(Text(f"  {'':<{min(room, 26)}}{names}", "dim", no_wrap=True))
    for id in MODELS:
        name = id.rpartition("/")[2].removesuffix("-Instruct")
        line = Text(f"  {name[: min(room, 26) - 1]:<{min(room, 26)}}", no_wrap=True)
        found = {option.method: option for option in options(_shape(id), machine, LIGHTEST)}
        for method in METHODS:
            line.append_text(_cell(found.get(method)))
        lines.append(line)
    return lines


def _cell(option: Option | None) -> Text:
    if option is None:
        return Text("-".ljust(_CELL), "dim")
    cell = Text().append(option.verdict, STYLES[option.verdict])
    cell.append(f" {size(option.estimate.safe_bytes)}".ljust(_CELL - len(option.verdict)))
    return cell


@cache
def _shape(id: str) -> ModelShape:
    known = find_model(id)
    assert known is not None, id
    return known.shape
