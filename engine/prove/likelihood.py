"""How likely a model finds the reference answers: masked like training, no text generated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, fsum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from tunewright.engine.prove.generate import Prefix

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
    share_prefix: bool = False,
) -> Likelihood:
    """Teacher-forced likelihood of the trained tokens of `rows`.

    Rows are padded on the left, so that answers stand together at the end and logits are made for
    no more positions than the batch's answers need. With `share_prefix` the tokens that all rows
    begin with are read once (examples in a prompt, an instruction): sums in another order, so the
    last digits differ. Raises ValueError when nothing carries loss.
    """
    import torch

    from tunewright.engine.prove.generate import Prefix

    order = sorted(range(len(rows)), key=lambda row: len(rows[row].input_ids))
    nats = [0.0] * len(rows)
    counts = [0] * len(rows)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            prefix = Prefix(model, _shared(rows) if share_prefix else [], _longest(rows))
            for start in range(0, len(order), batch_size):
                if between_batches is not None:
                    between_batches()
                batch = order[start : start + batch_size]
                sums = _batch_nats(model, [rows[row] for row in batch], prefix)
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


def _longest(rows: Sequence[TokenRow]) -> int:
    return max((len(row.input_ids) for row in rows), default=0)


def _shared(rows: Sequence[TokenRow]) -> list[int]:
    """The tokens that all rows begin with, short of the token before the first trained one: what
    predicts a trained token must be read with it."""
    first, last = (min(rows, key=_ids), max(rows, key=_ids)) if rows else (None, None)
    if first is None or last is None:
        return []
    most = min(
        next((at for at, label in enumerate(row.labels) if label != IGNORED), 0) for row in rows
    )
    shared = 0
    while shared < most - 1 and first.input_ids[shared] == last.input_ids[shared]:
        shared += 1
    return list(first.input_ids[:shared])


def _ids(row: TokenRow) -> list[int]:
    return list(row.input_ids)


def _batch_nats(model: Any, rows: Sequence[TokenRow], prefix: Prefix) -> list[tuple[float, int]]:
    """For each row the summed nats of its trained tokens, and their number."""
    import torch

    read = prefix.length
    width = max(len(row.input_ids) for row in rows) - read
    device = model.device
    ids = torch.zeros(len(rows), width, dtype=torch.long, device=device)
    labels = torch.full((len(rows), width), IGNORED, device=device)
    mask = torch.zeros(len(rows), read + width, dtype=torch.long, device=device)
    mask[:, :read] = 1
    for index, row in enumerate(rows):
        length = len(row.input_ids) - read
        ids[index, width - length :] = torch.tensor(list(row.input_ids[read:]), device=device)
        # The first token has nothing before it that could predict it.
        labels[index, width - length + 1 :] = torch.tensor(
            list(row.labels)[read + 1 :], device=device
        )
        mask[index, read + width - length :] = 1
    needed = (labels != IGNORED).any(0).nonzero()[:, 0]
    if not len(needed):
        return [(0.0, 0)] * len(rows)
    logits = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0)[:, read:],
        **prefix.arguments(len(rows)),
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
