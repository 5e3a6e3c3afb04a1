"""What a person who gets the folder must know: a model card, and a manifest that can be checked.

Neither holds a path of this machine: names and hashes only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.files import write_atomic
from tunewright.engine.prove.baseline import Baseline
from tunewright.engine.prove.evaluate import Evaluation
from tunewright.engine.prove.markdown import escaped, fenced, proof_table, sentence
from tunewright.engine.run.job import Job
from tunewright.engine.session import Environment
from tunewright.engine.ship.files import FileMark, mark, marks
from tunewright.engine.ship.merge import MergeResult
from tunewright.engine.text import plain
from tunewright.engine.train.result import TrainResult

CARD, MANIFEST = "README.md", "manifest.json"
MANIFEST_VERSION = "1.0"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
# Where the Hugging Face cache keeps a model: models--ORG--NAME/snapshots/REVISION.
_CACHED = re.compile(r"models--([^/]+--[^/]+)/snapshots/[^/]+$")
_LICENSE = re.compile(r"[a-z0-9.-]+")
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


class Base(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base model: its name, and the marks of its files by name."""

    name: str
    files: dict[str, FileMark]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """manifest.json: where a folder comes from. Hashes are SHA-256; `session` that of session.json,
    `data` the fingerprints of the rows; `settings` every planned value by its full key."""

    version: str
    kind: str
    base: Base
    data: dict[str, str | None]
    session: str | None
    method: str
    settings: dict[str, Any]
    packages: dict[str, str]
    files: dict[str, FileMark]


def write_cards(job: Job) -> None:
    """Card and manifest for every folder that the run made (adapter, model, merged)."""
    found = [
        folder for kind in ("adapter", "model", "merged") if (folder := job.run_dir / kind).is_dir()
    ]
    if not found:
        return
    base = Base(base_name(job), _base_marks(job.model_dir))
    for folder in found:
        write_atomic(folder / CARD, card(job, folder.name))
        content = msgspec.json.format(msgspec.json.encode(_manifest(job, folder, base)), indent=1)
        write_atomic(folder / MANIFEST, content + b"\n")


@lru_cache(maxsize=1)
def _base_marks(model_dir: Path) -> dict[str, FileMark]:
    # Gigabytes are read for it; the stages of one worker ask for the same base.
    return marks(model_dir)


def base_name(job: Job) -> str:
    """The base by a name that means something elsewhere: its hub id where one is known, else the
    name of its folder."""
    said = job.session.inputs.model
    if said.startswith("demo:"):
        # A converted copy, whose own card names what it is a copy of.
        return _front_matter(job.model_dir).get("base_model", job.model_dir.name)
    cached = _CACHED.search(str(job.model_dir))
    if cached is not None:
        return cached.group(1).replace("--", "/", 1)
    return job.model_dir.name


def card(job: Job, kind: str) -> str:
    """The text of README.md for the adapter, the model or the merged model of a run."""
    base = base_name(job)
    train = job.load_result("train", TrainResult)
    parts = [
        _header(job, kind, base),
        f"# {escaped(job.session.inputs.name)}: {_title(kind, base)}",
        _trained(job, base, train),
        _proof(job),
        _merge(job, kind),
        f"## Use\n\n```python\n{_usage(kind, base)}\n```",
        _settings(job),
        f"Made with Tunewright. `{MANIFEST}` holds versions and the hashes of base, data and "
        "files.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(job: Job, kind: str, base: str) -> str:
    """YAML that the Hub reads. Only what is known and valid there is said."""
    lines = []
    if _HUB_ID.fullmatch(base):
        lines.append(f"base_model: {base}")
        if kind == "merged":
            lines.append("base_model_relation: finetune")
    license = _front_matter(job.model_dir).get("license", "")
    if _LICENSE.fullmatch(license):
        lines.append(f"license: {license}")
    lines.append(f"library_name: {'peft' if kind == 'adapter' else 'transformers'}")
    lines.append("pipeline_tag: text-generation")
    lines += ["tags:", "- sft", "- tunewright"]
    if _method(job) != "full":
        lines.append("- lora")
    return "---\n" + "\n".join(lines) + "\n---"


def _title(kind: str, base: str) -> str:
    what = {"adapter": "a LoRA adapter for", "merged": "an adapter merged into"}
    return f"{what.get(kind, 'a full fine-tune of')} {escaped(base)}"


def _trained(job: Job, base: str, train: TrainResult | None) -> str:
    recorded = job.session.recorded
    lines = ["## Training", "", f"- base: {escaped(base)}", f"- method: {_method(job)}"]
    if recorded is not None:
        data = recorded.data
        lines.append(
            f"- data: {data.rows:,} training and {data.eval_rows:,} held-out rows "
            f"({data.format}), {data.trained_tokens:,} trained tokens an epoch; which data is not "
            "told here, its fingerprint is in the manifest"
        )
    if train is not None:
        lines.append(
            f"- {train.steps:,} steps, {train.tokens:,} tokens, "
            f"{train.trainable_parameters:,} of {train.total_parameters:,} parameters trained"
        )
        if train.final_eval_loss is not None:
            lines.append(f"- held-out loss at the end: {train.final_eval_loss:.4f} nats a token")
    if not _front_matter(job.model_dir).get("license"):
        lines.append("- licence of the base: unknown here; look at where the base comes from")
    return "\n".join(lines)


def _proof(job: Job) -> str:
    evaluation = job.load_result("evaluate", Evaluation)
    if evaluation is None:
        return "## Measured\n\nNot measured."
    lines = [
        f"## Measured on {len(evaluation.rows)} held-out rows",
        "",
        proof_table(evaluation, job.load_result("baseline", Baseline)),
        "",
        "In brackets: 95 % intervals (bootstrap; exact bounds where all rows are equal). "
        "Perplexity of the reference answers. " + sentence(evaluation.verdict),
    ]
    if _method(job) == "qlora":
        lines.append(
            "Base and tuned model were measured with the base in 4 bits, as it was trained; on "
            "the 16-bit base the figures may differ a little."
        )
    return "\n".join(lines)


def _merge(job: Job, kind: str) -> str:
    merge = job.load_result("merge", MergeResult)
    if kind == "adapter" or merge is None:
        return ""
    return "## Verified\n\n" + sentence(merge.verdict)


def _usage(kind: str, base: str) -> str:
    load = "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
    here = 'folder = "."  # where this card lies\n'
    if kind == "adapter":
        name = base.replace("\\", "").replace('"', "")
        return (
            f"from peft import PeftModel\n{load}\n{here}"
            f'base = AutoModelForCausalLM.from_pretrained("{plain(name)}", dtype="auto")\n'
            "model = PeftModel.from_pretrained(base, folder)\n"
            "tokenizer = AutoTokenizer.from_pretrained(folder)"
        )
    return (
        f"{load}\n{here}"
        'model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")\n'
        "tokenizer = AutoTokenizer.from_pretrained(folder)"
    )


def _settings(job: Job) -> str:
    assert job.session.plan is not None
    shown = [
        f"{key} = {decision.value}"
        for key, decision in job.session.plan.settings.items()
        if key.partition(".")[0] in ("training", "lora", "loss", "model", "quantization")
    ]
    return "## Settings\n\n" + fenced("\n".join(shown))


def _manifest(job: Job, folder: Path, base: Base) -> Manifest:
    assert job.session.plan is not None
    data = job.session.inputs.data
    session = job.run_dir / "session.json"
    return Manifest(
        version=MANIFEST_VERSION,
        kind=folder.name,
        base=base,
        data={"train": data.fingerprint, "held_out": data.eval_fingerprint},
        session=f"sha256:{mark(session).sha256}" if session.is_file() else None,
        method=_method(job),
        settings={key: d.value for key, d in job.session.plan.settings.items()},
        packages=_packages(job),
        files=marks(folder, leave_out=(CARD, MANIFEST)),
    )


def _packages(job: Job) -> dict[str, str]:
    """Versions that the worker really had, else those that were planned with."""
    path = job.run_dir / "results" / "environment.json"
    if path.is_file():
        return msgspec.json.decode(path.read_bytes(), type=Environment).packages
    return job.session.recorded.environment.packages if job.session.recorded else {}


def _method(job: Job) -> str:
    assert job.session.plan is not None
    return str(job.session.plan.method.value)


def _front_matter(model_dir: Path) -> dict[str, str]:
    """The plain `key: value` lines of a model card's YAML header; nested ones are left out."""
    path = model_dir / CARD
    if not path.is_file():
        return {}
    found = _FRONT_MATTER.match(path.read_text(encoding="utf-8", errors="replace"))
    lines = found.group(1).splitlines() if found else []
    pairs = (line.partition(":") for line in lines if line[:1].isalpha())
    return {key: value.strip().strip("\"'") for key, _, value in pairs}
