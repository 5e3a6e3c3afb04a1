"""Rows to size with before there are any: the one place where data is assumed, not measured.

Whatever is shown of a plan on these facts has to say so: `assumed_words`.
"""

from __future__ import annotations

from tunewright.engine.data.example import DataFacts

ROWS = 1000
HELD_OUT = 100
# Long enough for documents and conversations; shorter rows need less memory, never more.
LONGEST = 2048


def assumed_facts(context: int | None, longest: int | None = None) -> DataFacts:
    """1,000 chat rows whose longest have `longest` tokens: 2,048, or the model's `context` where
    that is shorter. Half of the rows are half as long."""
    length = longest or min(LONGEST, context or LONGEST)
    return DataFacts(
        format="messages",
        rows=ROWS,
        eval_rows=HELD_OUT,
        train_tokens=ROWS * length // 2,
        trained_tokens=ROWS * length // 8,
        length_p50=length // 2,
        length_p95=length,
        length_max=length,
        answer_p95=length // 4,
        answer_max=length // 4,
        multi_turn_rows=0,
        duplicate_rows=0,
        rendering="chat",
        answers="text",
    )


def assumed_words(facts: DataFacts) -> str:
    """The label that every figure made from these facts carries."""
    return f"assumed, not measured: {facts.rows:,} rows of up to {facts.length_max:,} tokens"
