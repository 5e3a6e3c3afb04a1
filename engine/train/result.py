"""What training gave: the content of results/train.json."""

from __future__ import annotations

import msgspec


class TrainResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`artefact` is the folder of the result, relative to the run directory.

    Losses are means over trained tokens in nats; `eval_losses` by step, as text since JSON keys
    are; `kept_step` is the step whose weights were saved. `tokens` (with prompts and answers,
    without padding) and `seconds` count all attempts. Peaks in bytes of `peak_of`.
    """

    method: str
    artefact: str
    steps: int
    total_steps: int
    epochs: float
    kept_step: int
    first_loss: float | None
    final_loss: float | None
    final_eval_loss: float | None
    best_eval_loss: float | None
    eval_losses: dict[str, float]
    tokens: int
    seconds: float
    trainable_parameters: int
    total_parameters: int
    threads: int
    peak_of: str
    predicted_peak_bytes: int
    safe_peak_bytes: int
    measured_peak_bytes: int
    resumed_from: int | None = None
