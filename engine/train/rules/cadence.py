"""When a run logs, evaluates and saves."""

from __future__ import annotations

from math import ceil

from tunewright.engine.data.example import DataFacts
from tunewright.engine.plan import DEVICES
from tunewright.engine.train.method import Method
from tunewright.engine.train.rules.batch import count_steps
from tunewright.engine.train.rules.book import Book

# A run that dies early then has something to resume from, and a full disk shows while one watches.
FIRST_CHECKPOINT = 5


def decide_cadence(book: Book, method: Method, rows: int, facts: DataFacts) -> None:
    """Steps between evaluations and checkpoints, and which checkpoint is the result."""
    values = book.values
    total = count_steps(values, rows)
    effective = (
        values["training.per_device_train_batch_size"]
        * values["training.gradient_accumulation_steps"]
        * values.get(DEVICES, 1)
    )
    # An evaluated row costs about a third of a trained one: at most a tenth of the run's time.
    affordable = ceil(facts.eval_rows * 10 / 3 / effective)
    every = max(1, min(total, max(min(ceil(total / 10), 500), affordable)))
    book.decide(
        "training.logging_steps",
        1,
        "every step is an event: the curve is complete, and a NaN is seen when it happens",
        "cadence.log",
    )
    evaluates = "steps" if facts.eval_rows else "no"
    strategy = book.decide(
        "training.eval_strategy",
        evaluates,
        f"{facts.eval_rows} held-out rows are measured by steps: memorising shows as a rising loss"
        if facts.eval_rows
        else "there are no held-out rows",
        "cadence.eval",
    )
    if strategy == "steps":
        every = book.decide(
            "training.eval_steps",
            every,
            f"about {max(1, total // every)} times in {total} steps, for at most a tenth of the "
            "time",
            "cadence.eval",
        )
    book.decide(
        "training.eval_on_start",
        strategy != "no",
        "the loss before the first step is what every later one is compared with",
        "cadence.eval",
    )
    book.decide(
        "training.save_steps",
        every,
        "with each evaluation, so that the best one is on disk; a first one stands after step "
        f"{min(FIRST_CHECKPOINT, total)} already",
        "cadence.save",
    )
    adapter = method.makes == "adapter"
    book.decide(
        "training.save_total_limit",
        3 if adapter else 2,
        "the newest, and the best beside them: an adapter's checkpoints are small"
        if adapter
        else "each holds the model and twice its size of optimizer state",
        "cadence.keep",
    )
    enough = strategy == "steps" and facts.eval_rows >= 10
    if enough:
        because = (
            "the result is the checkpoint with the lowest evaluation loss, not simply the last"
        )
    elif strategy == "steps":
        because = (
            f"{facts.eval_rows} held-out rows are too few to pick a checkpoint by: the last counts"
        )
    else:
        because = "no evaluation goes with the checkpoints to pick one by: the last counts"
    book.decide("training.load_best_model_at_end", enough, because, "cadence.best")
