"""Stage "merge": the adapter merged into the 16-bit base, kept only if it answers alike.

The merge is made into the base as it lies on disk, never into the 4-bit copy that QLoRA trains on.
Each layer is added up in float32 and rounded once. Rounding can still change an answer, so every
try is verified; with merge.dtype = auto a more exact format is tried next.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.run.events import Note
from tunewright.engine.run.job import Job
from tunewright.engine.ship.verify import Agreement
from tunewright.engine.text import size
from tunewright.hardware.errors import Exit, Problem

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# bfloat16 keeps 8 bits of a weight, float16 11, float32 24.
_MORE_EXACT = {"bfloat16": ("float16", "float32"), "float16": ("float32",), "float32": ()}
# Tokenizer, configuration and the file system's own.
_SLACK_BYTES = 64 * 2**20


class MergeTry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One number format: how the merged model agreed, or why it could not be written (`failed`)."""

    dtype: str
    agreement: Agreement | None
    failed: str | None = None


class MergeResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`merged` is the folder relative to the run directory, None for a full fine-tune (`verdict`
    says why); `tries` in order, the last one kept. `figures` is what a replay compares."""

    figures: dict[str, float]
    verdict: str
    merged: str | None
    dtype: str
    bytes: int
    tries: tuple[MergeTry, ...]
    seconds: float


def run(job: Job) -> None:
    """Merge and verify; a `Problem` (exit 1) when no allowed format answers like the adapter.

    A full fine-tune has nothing to merge: it is loaded afresh and must answer as it did when it
    was evaluated. Model card and manifest are written for what the run made.
    """
    from tunewright.engine.ship.card import write_cards
    from tunewright.engine.ship.reload import verify_reloaded
    from tunewright.engine.train.trainer import quiet_libraries

    quiet_libraries()
    started = time.monotonic()
    whole = job.run_dir / "model"
    result = _merge(job) if (job.run_dir / "adapter").is_dir() else verify_reloaded(job, whole)
    seconds = round(time.monotonic() - started, 3)
    job.save_result("merge", msgspec.structs.replace(result, seconds=seconds))
    write_cards(job)


def _merge(job: Job) -> MergeResult:
    from tunewright.engine.prove.measure import Pace
    from tunewright.engine.prove.models import release
    from tunewright.engine.prove.rows import held_out
    from tunewright.engine.ship.checks import check_base, check_tokenizers
    from tunewright.engine.ship.files import folder_bytes
    from tunewright.engine.ship.verify import compare_with, reference_answers

    adapter = job.run_dir / "adapter"
    stored = check_base(job.model_dir)
    check_tokenizers(job.model_dir, adapter)
    formats = _formats(job.setting("merge.dtype"), stored)
    held = held_out(job)
    rows = min(job.setting("merge.verify_rows"), len(held.rows))
    pace = Pace(job, "merge", 2 * rows, "answers verified")
    reference = reference_answers(job, held, pace)
    release()
    tries: list[MergeTry] = []
    place = job.run_dir / "merged"
    for dtype in formats:
        with _folder(job.run_dir / ".merged.new") as folder:
            failed = write_merged(job, adapter, stored, dtype, folder)
            agreement = None if failed else compare_with(job, folder, held, reference, pace)
            release()
            tries.append(MergeTry(dtype, agreement, failed))
            if agreement is not None and agreement.agrees:
                shutil.rmtree(place, ignore_errors=True)
                folder.rename(place)
                return MergeResult(
                    figures={"verified_rows": agreement.rows},
                    verdict=f"merged in {dtype}: {agreement.rows} of {agreement.rows} held-out "
                    "rows answered like the adapter, token for token",
                    merged="merged",
                    dtype=dtype,
                    bytes=folder_bytes(place),
                    tries=tuple(tries),
                    seconds=0.0,
                )
        job.emit(Note(text=f"merged in {dtype}: {told(tries[-1])}"))
        pace.extend(rows)
    raise Problem(
        "the merged model does not answer like the adapter",
        why="; ".join(f"{one.dtype}: {told(one)}" for one in tries),
        cure="serve the adapter on its base, or merge in a more exact format: "
        "--set merge.dtype=float32"
        if "float32" not in formats
        else "serve the adapter on its base; please report this, since float32 should agree",
        exit=Exit.FAILED,
    )


def told(one: MergeTry) -> str:
    """What became of one try, in words."""
    if one.agreement is None:
        return one.failed or "not written"
    if one.agreement.agrees:
        return "agrees"
    first = one.agreement.first
    assert first is not None
    return (
        f"{one.agreement.rows_differing} of {one.agreement.rows} rows differ, first held-out row "
        f"{first.row} at token {first.token}; largest logit difference "
        f"{one.agreement.max_logit_difference:.2g}"
    )


def write_merged(job: Job, adapter: Path, stored: str, dtype: str, out: Path) -> str | None:
    """Write base + adapter in `dtype` to `out`, with tokenizer, template and generation settings.

    The base is loaded on the CPU in `stored`, its own format; each adapted layer is summed in
    float32 and cast once, so the peak is the model plus one layer. Returns why it cannot be
    written in this format, or None. A `Problem` when the disk has too little room.
    """
    import torch
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTunerLayer

    from tunewright.engine.ship.files import copy_companions
    from tunewright.engine.train.loading import load_base

    base = load_base(job.model_dir, "cpu", dtype=stored, attention="sdpa", quantization={})
    _check_disk(job.run_dir, sum(p.numel() for p in base.parameters()) * _BYTES[dtype], dtype)
    tuned = PeftModel.from_pretrained(base, adapter)
    target = getattr(torch, dtype)
    with torch.no_grad():
        for layer in tuned.modules():
            if isinstance(layer, BaseTunerLayer):
                weight = layer.get_base_layer().weight
                weight.data = weight.data.float()
                layer.merge(safe_merge=True)
                # peft may put a new tensor in its place: look it up again.
                weight = layer.get_base_layer().weight
                weight.data = weight.data.to(target)
        merged = tuned.unload().to(target)
        if not all(bool(torch.isfinite(p).all()) for p in merged.parameters()):
            return f"a weight is beyond the range of {dtype}"
    out.mkdir(mode=0o700)
    _save(merged, out, job.model_dir)
    copy_companions(job.model_dir, out)
    return None


def _save(model: Any, out: Path, base: Path) -> None:
    from transformers import GenerationConfig

    if (base / "generation_config.json").is_file():
        # The base's own file is shipped; saving it again would fail where it is not strictly valid.
        model.generation_config = GenerationConfig()
    model.save_pretrained(out)


def _formats(asked: str, stored: str) -> tuple[str, ...]:
    return (stored, *_MORE_EXACT[stored]) if asked == "auto" else (asked,)


def _check_disk(place: Path, needed: int, dtype: str) -> None:
    free = shutil.disk_usage(place).free
    if free < needed + _SLACK_BYTES:
        raise Problem(
            "there is no room for the merged model",
            why=f"it takes {size(needed)} in {dtype}, and {size(free)} are free at the run "
            "directory",
            cure="make room, then: tunewright resume; the adapter is safe in adapter/",
            exit=Exit.FAILED,
        )


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """A name for a folder that must not stay: what a killed try or this one left is removed."""
    shutil.rmtree(path, ignore_errors=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
