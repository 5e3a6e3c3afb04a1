"""Which held-out rows are answered while a run trains, and what that may cost."""

from __future__ import annotations

from tunewright.engine.data.example import DataFacts
from tunewright.engine.train.rules.book import Book

ROWS, TOKENS, SHARE = (
    "evaluation.sample_rows",
    "evaluation.sample_tokens",
    "evaluation.sample_share",
)

# What only shows how a run goes: a plan of before they were decided is the same plan without them.
SHOWN_ONLY = (ROWS, TOKENS, SHARE)

_ROWS = 2
_LONGEST = 64
_SHARE = 0.02


def decide_samples(book: Book, facts: DataFacts) -> None:
    """Rows that are answered at each evaluation, tokens of an answer, and the share of the training
    time that all of it may take."""
    evaluates = book.values["training.eval_strategy"] != "no"
    rows = min(_ROWS, facts.eval_rows) if evaluates else 0
    book.decide(
        ROWS,
        rows,
        f"the same {rows} held-out rows are answered at each evaluation, to see the answers "
        "change; no loss changes by it"
        if rows
        else "answers go with evaluations, and there are none",
        "samples.rows",
    )
    wanted = facts.answer_max + max(8, facts.answer_max // 4)
    tokens = min(_LONGEST, wanted)
    book.decide(
        TOKENS,
        tokens,
        f"the longest answer has {facts.answer_max} tokens"
        + (
            ": the beginning of one shows how it changes"
            if tokens < wanted
            else ", and some more show one that does not end"
        ),
        "samples.tokens",
        *([(wanted, "room for every answer, at the price of time")] if tokens < wanted else ()),
    )
    book.decide(
        SHARE,
        _SHARE,
        f"at most {100 * _SHARE:g} % of the time trained: where answers took more, the next are "
        "left out",
        "samples.share",
    )
