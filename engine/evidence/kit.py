"""What makes a verdict run: the prompt, the index, rows with passages, or what is missing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from tunewright.engine.data.alike import asked_of
from tunewright.engine.data.example import Example, Message
from tunewright.engine.decide.guide import Verdicts
from tunewright.engine.evidence.arms import ArmPlan, Prompts, with_passages
from tunewright.engine.evidence.given import is_endpoint
from tunewright.engine.evidence.index import Index
from tunewright.engine.evidence.measure import plan_arms
from tunewright.engine.evidence.missing import write_missing
from tunewright.engine.evidence.passages import row_passages
from tunewright.engine.evidence.result import Evidence
from tunewright.engine.evidence.stage import documents_of, draw, prompts_of
from tunewright.engine.files import write_atomic
from tunewright.engine.run.job import Job

PROMPT = "prompt.json"
INDEX = "index"
SERVE = "serve.sh"
# More is seldom needed to try a prompt, and takes memory for each request.
_LONGEST_CONTEXT = 8192


class PromptKit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """kit/prompt.json: how to ask the base model, as the arm that was measured did. `kind`: the
    examples stand before every question ("fixed"), or are found for each in kit/index ("nearest"),
    or passages are ("retrieve"; `of_rows`: they are the training rows). `train` holds the rows that
    can be shown, `fixed` places of it."""

    arm: str
    title: str
    kind: Literal["alone", "instructed", "fixed", "nearest", "retrieve"]
    instruction: str
    system: str | None
    train: tuple[tuple[Message, ...], ...]
    fixed: tuple[int, ...]
    shots: int
    passages: int
    max_new_tokens: int
    of_rows: bool = False


def write_kit(job: Job, evidence: Evidence, verdict: Verdicts, folder: Path) -> tuple[str, ...]:
    """Write kit/ for a verdict; names of its files.

    The best prompt is always in it, since every verdict is held against it, and a script that
    serves the base model; with retrieval, the
    index; with fine-tuning and retrieval, the rows with their passages; where rows are missing,
    which, and a template.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    group: Literal["prompting", "retrieval"] = (
        "retrieval" if verdict in ("rag", "fine_tune_rag") else "prompting"
    )
    best = evidence.best(group) or evidence.best("prompting")
    assert best is not None
    drawn = draw(job)
    prompts = prompts_of(job, drawn, plain=False)
    plan = _plan(job, prompts, best.id)
    kind = _KINDS.get(best.id, "retrieve")
    of_rows = best.id.startswith("retrieve_rows")
    # Rows that find each other are all kept; else those that are shown.
    whole = kind == "nearest" or of_rows
    shown = [e.messages for e in drawn.train] if whole else _shown(drawn.train, evidence, kind)
    kit = PromptKit(
        arm=best.id,
        title=best.title,
        kind=kind,
        instruction=evidence.instruction,
        system=_system(drawn.train),
        train=tuple(shown),
        fixed=evidence.shots if whole else tuple(range(len(shown))),
        shots=plan.shots,
        passages=plan.passages,
        max_new_tokens=evidence.max_new_tokens,
        of_rows=of_rows,
    )
    _write(folder / PROMPT, msgspec.json.format(msgspec.json.encode(kit), indent=1))
    files = [PROMPT]
    if not is_endpoint(job.session.inputs.model):
        _write(folder / SERVE, _serve(job))
        files.append(SERVE)
    if kind == "nearest":
        passages = row_passages(drawn.train)
        Index.build(passages, [asked_of(e) for e in drawn.train]).save(folder / INDEX)
        files.append(INDEX)
    if kind == "retrieve":
        Index.build(plan.source).save(folder / INDEX)
        files.append(INDEX)
    if verdict == "fine_tune_rag":
        files += _rendered(job, plan, folder)
    if verdict == "collect_data":
        write_missing(folder, drawn.train, evidence)
        files += ["missing.md", "template.jsonl"]
    return tuple(files)


_KINDS: dict[str, Literal["alone", "instructed", "fixed", "nearest", "retrieve"]] = {
    "zero_shot": "alone",
    "instruction": "instructed",
    "few_shot": "fixed",
    "nearest": "nearest",
}


def _serve(job: Job) -> str:
    """A shell script that serves the base model with vLLM, to its documentation; it needs CUDA."""
    recorded = job.session.recorded
    context = recorded.model.max_position_embeddings if recorded else None
    longest = min(context or _LONGEST_CONTEXT, _LONGEST_CONTEXT)
    return (
        "#!/bin/sh\n"
        "# Serves the base model on this machine alone; needs a CUDA GPU and vLLM (pip install "
        "vllm).\n"
        "# What fits: tunewright size MODEL --serve. Then: tunewright ask RUN --at "
        "http://127.0.0.1:8000/v1\n"
        f"exec vllm serve {shlex.quote(str(job.model_dir))} --served-model-name base "
        f"--host 127.0.0.1 --port 8000 --max-model-len {longest}\n"
    )


def _shown(train: Sequence[Example], evidence: Evidence, kind: str) -> list[tuple[Message, ...]]:
    if kind in ("alone", "instructed"):
        return []
    return [train[place].messages for place in evidence.shots]


def _plan(job: Job, prompts: Prompts, id: str) -> ArmPlan:
    """The arm again, found by words: an index by meaning is not kept, its folder may move."""
    wanted = id.replace("_dense", "")
    arms = plan_arms(
        prompts,
        shots=len(prompts.fixed),
        passages=job.setting("evidence.passages"),
        documents=documents_of(job),
    )
    return next(arm for arm in arms if arm.id == wanted)


def _rendered(job: Job, plan: ArmPlan, folder: Path) -> list[str]:
    """All rows as the tuned model would be asked: with their passages, without examples. A row of
    training never finds itself."""
    from tunewright.engine.data.prepared import load_split

    train, held = load_split(job)
    own = plan.id.startswith("retrieve_rows")
    index = Index.build(plan.source)
    for name, rows, training in (("train", train, True), ("eval", held, False)):
        lines = []
        for place, row in enumerate(rows):
            without = (place,) if own and training else ()
            found = index.find(asked_of(row), plan.passages, without)
            lines.append(json_row(with_passages(row, [plan.source[i].text for i in found])))
        _write(folder / f"{name}.jsonl", "\n".join(lines) + "\n")
    return ["train.jsonl", "eval.jsonl"]


def json_row(example: Example) -> str:
    """A row as one line of a file of messages."""
    row: dict[str, Any] = {"messages": [turn.turn() for turn in example.messages]}
    if example.tools:
        row["tools"] = list(example.tools)
    return json.dumps(row)


def _system(train: Sequence[Example]) -> str | None:
    """The system prompt that all rows share; None where they differ or have none."""
    found = {e.messages[0].content if e.messages[0].role == "system" else None for e in train}
    return found.pop() if len(found) == 1 else None


def _write(path: Path, text: bytes | str) -> None:
    write_atomic(path, text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text)
