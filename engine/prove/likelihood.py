"""How likely a model finds the reference answers: masked like training, no text generated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, fsum
from typing import Any, Protocol

import msgspec

IGNORED = -100


class TokenRow(Protocol):
    """A row as training sees it: `labels` is -100 where no loss is taken, else the token id."""

    @property
    def input_ids(self) -> Sequence[int]: ...

    @property
    def labels(self) -> Sequence[int]: ...


class Likelihood(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`nats_per_token` is the mean negative log-likelihood over all `tokens` that carry loss (the
    evaluation loss of training), `perplexity` its exponential. Rows keep their sums in nats."""

    nats_per_token: float
    perplexity: float
    tokens: int
    row_nats: tuple[float, ...]
    row_tokens: tuple[int, ...]


def reference_likelihood(
    model: Any,
    rows: Sequence[TokenRow],
    *,
    batch_size: int,
    on_progress: Callable[[int], None] | None = None,
    between_batches: Callable[[], None] | None = None,
) -> Likelihood:
    """Teacher-forced likelihood of the trained tokens of `rows`.

    Rows are padded on the left, so that answers stand together at the end and logits are made for
    no more positions than the batch's answers need. Raises ValueError when nothing carries loss.
    """
    import torch

    order = sorted(range(len(rows)), key=lambda row: len(rows[row].input_ids))
    nats = [0.0] * len(rows)
    counts = [0] * len(rows)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                if between_batches is not None:
                    between_batches()
                batch = order[start : start + batch_size]
                sums = _batch_nats(model, [rows[row] for row in batch])
                for row, (total, count) in zip(batch, sums, strict=True):
                    nats[row], counts[row] = total, count
                if on_progress is not None:
                    on_progress(min(start + batch_size, len(order)))
    finally:
        model.train(was_training)
    tokens = sum(counts)
    if not tokens:
        raise ValueError("no token of these rows carries loss")
    mean = fsum(nats) / tokens
    # exp overflows a double beyond 709 nats; a model that bad has no meaningful perplexity.
    perplexity = exp(mean) if mean < 700 else float("inf")
    return Likelihood(mean, perplexity, tokens, tuple(nats), tuple(counts))


def _batch_nats(model: Any, rows: Sequence[TokenRow]) -> list[tuple[float, int]]:
    """For each row the summed nats of its trained tokens, and their number."""
    import torch

    width = max(len(row.input_ids) for row in rows)
    device = model.device
    ids = torch.zeros(len(rows), width, dtype=torch.long, device=device)
    labels = torch.full((len(rows), width), IGNORED, device=device)
    mask = torch.zeros(len(rows), width, dtype=torch.long, device=device)
    for index, row in enumerate(rows):
        length = len(row.input_ids)
        ids[index, width - length :] = torch.tensor(list(row.input_ids), device=device)
        # The first token has nothing before it that could predict it.
        labels[index, width - length + 1 :] = torch.tensor(list(row.labels)[1:], device=device)
        mask[index, width - length :] = 1
    needed = (labels != IGNORED).any(0).nonzero()[:, 0]
    if not len(needed):
        return [(0.0, 0)] * len(rows)
    logits = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
        use_cache=False,
        logits_to_keep=needed - 1,
    ).logits
    found = []
    for index in range(len(rows)):
        wanted = labels[index, needed]
        losses = torch.nn.functional.cross_entropy(
            logits[index].float(), wanted, ignore_index=IGNORED, reduction="none"
        )
        found.append((losses.double().sum().item(), int((wanted != IGNORED).sum())))
    return found
