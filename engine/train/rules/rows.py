"""What of a row carries loss, how long a sequence is, and whether rows share one."""

from __future__ import annotations

from math import ceil

from tunewright.engine.data.example import DataFacts
from tunewright.engine.train.rules.book import Book
from tunewright.hardware.memory.estimate import Device
from tunewright.hardware.shapes import ModelShape

# On a CPU a packed sequence is no longer than a few rows: its attention and loss grow with it.
_PACKED_LENGTH: dict[Device, int] = {"cuda": 2048, "cpu": 512}


def decide_loss(book: Book, facts: DataFacts) -> None:
    """Which turns of a row carry loss."""
    if facts.multi_turn_rows:
        book.decide(
            "loss.on",
            "assistant",
            f"{facts.multi_turn_rows} rows have several turns: every answer of the assistant is "
            "an example, the questions are not",
            "loss.multi_turn",
            ("completion", "would learn from the last answer only"),
            ("all", "would teach the model to write questions too"),
        )
        return
    book.decide(
        "loss.on",
        "completion",
        "rows are a question and an answer: the model learns to answer, not to ask",
        "loss.completion",
        ("all", "would spend the training on predicting the questions too"),
    )


def decide_length(book: Book, facts: DataFacts, shape: ModelShape, device: Device) -> None:
    """Packing and the longest sequence."""
    context = shape.max_position_embeddings
    packed_length = _PACKED_LENGTH[device]
    short = facts.length_p95 * 4 <= packed_length and facts.length_max <= packed_length
    room = context is None or context >= packed_length
    pays = device == "cuda" and facts.rows >= 1000 and short and room
    if pays:
        because = (
            f"95 % of {facts.rows} rows have at most {facts.length_p95} tokens: several in one "
            f"sequence of {packed_length} leave no padding; sdpa keeps them apart"
        )
    elif device == "cpu":
        because = (
            "on a CPU padding to the longest row of a batch costs less than the attention over a "
            "packed sequence"
        )
    else:
        because = (
            "packing pays with at least 1000 rows that are short beside the sequence; here are "
            f"{facts.rows}, 95 % of at most {facts.length_p95} tokens"
        )
    packed = book.decide("training.packing", pays, because, "packing.short_rows")
    if packed:
        book.decide(
            "training.eval_packing",
            False,
            "held-out rows stay single, so that the evaluation does not depend on packing",
            "packing.eval_single",
        )
    longest = ceil(facts.length_max / 64) * 64
    wanted = max(longest, packed_length) if packed else longest
    length = min(wanted, context) if context else wanted
    cut = facts.length_max > length
    if cut:
        because = (
            f"the model's context; the longest row has {facts.length_max} tokens and is cut there"
        )
    elif packed:
        because = "the length of a packed sequence: no row is cut"
    else:
        because = (
            f"covers the longest row ({facts.length_max} tokens), rounded up to 64: nothing is "
            "cut; batches are padded to their own longest row only"
        )
    book.decide("training.max_length", length, because, "length.longest_row")
