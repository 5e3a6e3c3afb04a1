"""Perplexity is that of the reference answers, masked like training."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tunewright.engine.prove.likelihood import reference_likelihood


class Row(NamedTuple):
    input_ids: list[int]
    labels: list[int]


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_model, dtype="float32").eval()


def rows_of(shapes: list[tuple[int, int]]) -> list[Row]:
    """Rows of (tokens, trained tokens at the end)."""
    rng = random.Random(4)
    rows = []
    for length, trained in shapes:
        ids = [rng.randrange(4, 448) for _ in range(length)]
        rows.append(Row(ids, [-100] * (length - trained) + ids[length - trained :]))
    return rows


def library_loss(model: Any, row: Row) -> float:
    import torch

    with torch.no_grad():
        return model(
            input_ids=torch.tensor([row.input_ids]), labels=torch.tensor([row.labels])
        ).loss.item()


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_it_is_the_evaluation_loss_of_the_library_weighted_by_trained_tokens(
    model: Any, batch_size: int
) -> None:
    rows = rows_of([(12, 4), (30, 9), (7, 2), (21, 20), (15, 1)])
    found = reference_likelihood(model, rows, batch_size=batch_size)
    trained = [4, 9, 2, 20, 1]
    losses = [library_loss(model, row) for row in rows]
    expected = sum(n * loss for n, loss in zip(trained, losses, strict=True)) / sum(trained)
    assert found.nats_per_token == pytest.approx(expected, rel=1e-5)
    assert found.perplexity == pytest.approx(math.exp(expected), rel=1e-4)
    assert found.tokens == 36
    assert found.row_tokens == tuple(trained)
    assert found.row_nats == pytest.approx(
        [n * loss for n, loss in zip(trained, losses, strict=True)], rel=1e-4
    )


def test_masked_turns_between_trained_ones_carry_nothing(model: Any) -> None:
    (row,) = rows_of([(20, 20)])
    labels = [-100] * 5 + row.input_ids[5:8] + [-100] * 6 + row.input_ids[14:]
    gap = Row(row.input_ids, labels)
    found = reference_likelihood(model, [gap, *rows_of([(9, 3)])], batch_size=2)
    assert found.row_tokens == (9, 3)
    assert found.row_nats[0] == pytest.approx(9 * library_loss(model, gap), rel=1e-5)


def test_the_first_token_cannot_be_predicted_and_is_not_counted(model: Any) -> None:
    (row,) = rows_of([(6, 6)])
    assert reference_likelihood(model, [row], batch_size=1).tokens == 5


def test_rows_without_loss_are_refused_together_and_harmless_alone(model: Any) -> None:
    silent = rows_of([(6, 0)])
    with pytest.raises(ValueError, match="carries loss"):
        reference_likelihood(model, silent, batch_size=2)
    found = reference_likelihood(model, [*silent, *rows_of([(6, 2)])], batch_size=1)
    assert found.row_tokens == (0, 2)
