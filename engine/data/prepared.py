"""The rows of a run: the same train and held-out examples for every stage of it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import msgspec

from tunewright.engine.data.example import DataFacts, Example
from tunewright.engine.data.fingerprint import check_unchanged, fingerprint
from tunewright.engine.data.preflight import measure
from tunewright.engine.data.read import read_examples
from tunewright.engine.data.split import split
from tunewright.engine.data.tokens import Loss, Renderer
from tunewright.engine.homes import cache_home
from tunewright.engine.model import resolve_data
from tunewright.engine.run.job import Job
from tunewright.engine.session import DataInput, Inputs


def load_split(job: Job) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Train and held-out examples of a run; a `Problem` when a file has changed since."""
    return read_split(job.session.inputs.data, job.run_dir, job.session.inputs.seed)


@lru_cache(maxsize=1)
def read_split(
    data: DataInput, base: Path, seed: int
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Train and held-out examples of a data input whose relative paths start from `base`.

    A separate `eval_path` is taken whole; otherwise a seeded share is held out.
    """
    train_path, eval_path = resolve_data(data, base, cache_home())
    check_unchanged(train_path, data.fingerprint)
    train = read_examples(train_path, data.format).examples
    if eval_path is None:
        return split(train, data.eval_fraction, seed)
    check_unchanged(eval_path, data.eval_fingerprint)
    return train, read_examples(eval_path, data.format).examples


def look_at_data(
    inputs: Inputs, base: Path, model_dir: Path, loss: Loss | None
) -> tuple[DataInput, DataFacts]:
    """Read and check every row under the model's tokenizer; the input with its fingerprints, and
    what planning needs to know. `loss` None measures what the rows suggest."""
    data = inputs.data
    train_path, eval_path = resolve_data(data, base, cache_home())
    train, held = read_split(data, base, inputs.seed)
    several = any(sum(m.role == "assistant" for m in e.messages) > 1 for e in train)
    facts = measure(
        train,
        held,
        Renderer.open(model_dir),
        loss or ("assistant" if several else "completion"),
        read_examples(train_path, data.format).format,
    )
    data = msgspec.structs.replace(
        data,
        fingerprint=fingerprint(train_path),
        eval_fingerprint=None if eval_path is None else fingerprint(eval_path),
    )
    return data, facts
