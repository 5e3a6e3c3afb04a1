"""Looking at the model and the data that a session names: slow, so it is done in a thread.

What reads rows and tokens is imported there too: it takes 10 ms that the first paint need not wait.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tunewright.engine.session import DataInput, Inputs
from tunewright.hardware.errors import Problem
from tunewright.hardware.shapes import ModelShape
from tunewright.tui.disk import of_disk

if TYPE_CHECKING:
    from tunewright.engine.data.example import DataFacts
    from tunewright.engine.data.places import SomePlaces
    from tunewright.engine.data.tokens import Renderer
    from tunewright.engine.decide.facts import Facts


class ModelFound(msgspec.Struct, frozen=True):
    """The model of a session: its folder, its shape, what its tokens are made with, and what it is
    known again by."""

    folder: Path
    shape: ModelShape
    renderer: Renderer
    fingerprint: str | None = None


class DataFound(msgspec.Struct, frozen=True):
    """The data of a session: the input with its fingerprints, where its rows stand, and what is
    known of them under the model's tokenizer (a `Problem` when they cannot be trained on).

    `format`, `because` and `unused_fields` as in `Reading`. `lengths`: tokens of each row, training
    rows first; empty without a tokenizer. `spread` and `train_spread`: how many rows, and how many
    for training, have each length. `counted`: what the rows say to the decision.
    """

    data: DataInput
    train: SomePlaces
    held: SomePlaces
    format: str
    because: str
    unused_fields: dict[str, int]
    facts: DataFacts | Problem
    lengths: array[int]
    spread: dict[int, int]
    train_spread: dict[int, int]
    counted: Facts


def look_at_model(inputs: Inputs, base: Path, say: Callable[[str], None]) -> ModelFound | Problem:
    """Find and read the model; the demo model is fetched when it is not there yet (`say` tells)."""
    from tunewright.engine.data.tokens import Renderer
    from tunewright.engine.demo.smollm2 import ensure_demo_model
    from tunewright.engine.homes import cache_home
    from tunewright.engine.model import DEMO_MODEL, resolve_model
    from tunewright.engine.model_fingerprint import model_fingerprint
    from tunewright.hardware.shapes import read_shape

    try:
        if inputs.model == DEMO_MODEL:
            ensure_demo_model(cache_home(), say)
        folder = resolve_model(inputs.model, base, cache_home())
        return ModelFound(
            folder, read_shape(folder), Renderer.open(folder), model_fingerprint(folder)
        )
    except Problem as problem:
        return problem
    except OSError as error:
        return of_disk(error)


def look_at_rows(inputs: Inputs, base: Path, model: ModelFound | Problem) -> DataFound | Problem:
    """Read and check the rows as they are now; without a model they are not measured.

    On a bench a file may change: only a launched session holds on to its fingerprints.
    """
    return rows_in(inputs, base, model if isinstance(model, Problem) else model.folder)


def rows_in(inputs: Inputs, base: Path, model: Path | Problem) -> DataFound | Problem:
    """`look_at_rows` with the folder of the model: what another process is told."""
    from tunewright.engine.data.prepared import look_at_data, read_split
    from tunewright.engine.decide.facts import facts_of_rows

    fresh = msgspec.structs.replace(
        inputs.data, fingerprint=None, eval_fingerprint=None, revision=None
    )
    inputs = msgspec.structs.replace(inputs, data=fresh)
    try:
        read_split.cache_clear()
        rows = read_split(fresh, base, inputs.seed)
    except Problem as problem:
        return problem
    except OSError as error:
        return of_disk(error)
    counted = facts_of_rows(rows.train, rows.held)
    data, lengths = fresh, array("I")
    facts: DataFacts | Problem
    if isinstance(model, Problem):
        facts = model
    else:
        try:
            data, known, lengths = look_at_data(
                inputs, base, model, inputs.overrides.get("loss.on")
            )
        except Problem as problem:
            facts = problem
        else:
            facts = known
            counted = msgspec.structs.replace(
                counted, eval_rows=known.eval_rows, answers=known.answers
            )
    return DataFound(
        data=data,
        train=rows.train.places,
        held=rows.held.places,
        format=rows.reading.format,
        because=rows.reading.because,
        unused_fields=rows.reading.unused_fields,
        facts=facts,
        lengths=lengths,
        spread=dict(Counter(lengths)),
        train_spread=dict(Counter(lengths[: len(rows.train)])),
        counted=counted,
    )
