"""Whether a model on disk answers like another one: token for token, on held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.prove.generate import greedy_answers
from tunewright.engine.prove.measure import Pace
from tunewright.engine.prove.rows import HeldOut
from tunewright.engine.prove.threads import threads_for
from tunewright.engine.run.job import Job

# Logits are compared at this many positions of each answer, which bounds what is kept of them.
_LOGIT_POSITIONS = 32


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first answer that differs: held-out `row`, `token` position, and both texts."""

    row: int
    token: int
    wanted: str
    got: str


class Agreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`rows` were asked, `rows_differing` answered otherwise. `max_logit_difference` is over the
    reference's answers, teacher-forced, at their first 32 positions, all computed in `compute`."""

    agrees: bool
    rows: int
    rows_differing: int
    max_logit_difference: float
    first: Difference | None
    compute: str


class Reference(msgspec.Struct, frozen=True):
    """What the adapter on its base says: tokens of each answer, logits (positions, vocabulary) on
    the CPU, and the arithmetic that everything is compared in."""

    prompts: list[list[int]]
    answers: list[list[int]]
    logits: list[Any]
    compute: str


def reference_answers(job: Job, held: HeldOut, pace: Pace) -> Reference:
    """The adapter on the base as it lies on disk (not the 4-bit copy), unmerged."""
    from tunewright.engine.prove.models import load_adapter

    compute = _compute(job)
    model = load_adapter(_load(job, job.model_dir, compute), job.run_dir / "adapter")
    prompts = held.prompts()[: job.setting("merge.verify_rows")]
    answers = _ask(job, model, held, prompts, pace)
    logits = [_logits(model, p, a) for p, a in zip(prompts, answers, strict=True)]
    return Reference(prompts, answers, logits, compute)


def compare_with(
    job: Job, folder: Path, held: HeldOut, reference: Reference, pace: Pace
) -> Agreement:
    """Load the model of `folder` as a person would and hold its answers against `reference`."""
    model = _load(job, folder, reference.compute)
    answers = _ask(job, model, held, reference.prompts, pace)
    largest = max(
        float((_logits(model, prompt, answer) - logits).abs().max())
        for prompt, answer, logits in zip(
            reference.prompts, reference.answers, reference.logits, strict=True
        )
    )
    return agreement(held, reference.answers, answers, largest, reference.compute)


def agreement(
    held: HeldOut,
    wanted: Sequence[Sequence[int]],
    got: Sequence[Sequence[int]],
    max_logit_difference: float,
    compute: str,
) -> Agreement:
    """Compare answers as tokens; texts are only for people."""
    differing = [row for row, (a, b) in enumerate(zip(wanted, got, strict=True)) if a != b]
    first = None
    if differing:
        row = differing[0]
        a, b = wanted[row], got[row]
        token = next(
            (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
        )
        first = Difference(held.numbers[row], token, held.text(a), held.text(b))
    return Agreement(
        not differing, len(wanted), len(differing), max_logit_difference, first, compute
    )


def _compute(job: Job) -> str:
    """float32 wherever it fits, so that what is compared is the weights and not the arithmetic."""
    recorded = job.session.recorded
    if job.device != "cuda" or recorded is None:
        return "float32"
    import torch

    free, _ = torch.cuda.mem_get_info()
    needed = recorded.model.parameters * 4
    return "float32" if free > 1.2 * needed else str(recorded.model.weights_dtype)


def _load(job: Job, folder: Path, compute: str) -> Any:
    from tunewright.engine.train.loading import load_base

    return load_base(folder, job.device, dtype=compute, attention="sdpa", quantization={}).eval()


def _ask(
    job: Job, model: Any, held: HeldOut, prompts: list[list[int]], pace: Pace
) -> list[list[int]]:
    return greedy_answers(
        model,
        prompts,
        eos_ids=held.eos_ids,
        max_new_tokens=job.setting("evaluation.max_new_tokens"),
        batch_size=job.setting("evaluation.batch_size"),
        threads=threads_for(job, model, prompts),
        on_answer=lambda _row, _answer: pace.advance(),
        between_steps=pace.obey,
    )


def _logits(model: Any, prompt: list[int], answer: list[int]) -> Any:
    """Logits that chose each of the first tokens of `answer`, and the one after them."""
    import torch

    kept = answer[:_LOGIT_POSITIONS]
    ids = torch.tensor([prompt + kept], device=model.device)
    with torch.inference_mode():
        out = model(input_ids=ids, use_cache=False, logits_to_keep=len(kept) + 1)
    return out.logits[0].float().cpu()
