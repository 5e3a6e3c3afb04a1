"""The rows of a run: the same train and held-out examples for every stage of it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from tunewright.engine.data.example import DataFacts, Example
from tunewright.engine.data.fingerprint import check_unchanged, fingerprint
from tunewright.engine.data.hub import commit_of
from tunewright.engine.data.preflight import measure
from tunewright.engine.data.read import Reading, has_sides, read_examples
from tunewright.engine.data.split import split
from tunewright.engine.data.stored import Stored
from tunewright.engine.data.tokens import Loss, Renderer
from tunewright.engine.homes import cache_home
from tunewright.engine.model import is_hub_id, resolve_data
from tunewright.engine.run.job import Job
from tunewright.engine.session import DataInput, Inputs


class Rows(NamedTuple):
    """Train and held-out examples, and the reading of the training file that they come from. The
    rows lie on disk and are read one by one: go through them once, and keep none."""

    train: Stored
    held: Stored
    reading: Reading


def load_split(job: Job) -> tuple[Sequence[Example], Sequence[Example]]:
    """Train and held-out examples of a run; a `Problem` when a file has changed since."""
    rows = read_split(job.session.inputs.data, job.run_dir, job.session.inputs.seed)
    return rows.train, rows.held


@lru_cache(maxsize=1)
def read_split(data: DataInput, base: Path, seed: int) -> Rows:
    """The rows of a data input whose relative paths start from `base`.

    A separate `eval_path` is taken whole, and so are files that are named for a held-out split
    beside training ones; otherwise a seeded share is held out.
    """
    train_path, eval_path = resolve_data(data, base, cache_home())
    check_unchanged(train_path, data.fingerprint)
    if eval_path is None and has_sides(train_path):
        reading = read_examples(train_path, data.format, "train", data.fixes)
        other = read_examples(train_path, data.format, "eval", data.fixes)
        return Rows(reading.examples, other.examples, reading)
    reading = read_examples(train_path, data.format, fixes=data.fixes)
    if eval_path is None:
        train, held = split(reading.examples, data.eval_fraction, seed)
        return Rows(reading.examples.only(train), reading.examples.only(held), reading)
    check_unchanged(eval_path, data.eval_fingerprint)
    return Rows(
        reading.examples, read_examples(eval_path, data.format, fixes=data.fixes).examples, reading
    )


def look_at_data(
    inputs: Inputs, base: Path, model_dir: Path, loss: Loss | None
) -> tuple[DataInput, DataFacts, array[int]]:
    """Read and check every row under the model's tokenizer; the input with its fingerprints, what
    planning needs to know, and the tokens of each row. `loss` None measures what the rows suggest.
    """
    data = inputs.data
    train_path, eval_path = resolve_data(data, base, cache_home())
    train, held, reading = read_split(data, base, inputs.seed)
    renderer = Renderer.open(model_dir, data.date)
    if renderer.template and renderer.template.asks_for_the_day and data.date is None:
        data = msgspec.structs.replace(data, date=date.today())
        renderer = Renderer.open(model_dir, data.date)
    several = any(sum(m.role == "assistant" for m in e.messages) > 1 for e in train)
    facts, lengths = measure(
        train,
        held,
        renderer,
        loss or ("assistant" if several else "completion"),
        reading,
    )
    data = msgspec.structs.replace(
        data,
        fingerprint=fingerprint(train_path),
        eval_fingerprint=None if eval_path is None else fingerprint(eval_path),
        revision=commit_of(train_path) if is_hub_id(data.path, base) else None,
    )
    return data, facts, lengths
