"""How the proof is sized: budgeted in tokens, since decoding is what takes the time."""

from __future__ import annotations

from tunewright.engine.data.example import DataFacts
from tunewright.engine.plan import Alternative, Decision

MAX_ROWS = 64
MIN_ROWS = 16
SHOTS = 3
BATCH = 16
LONGEST_ANSWER = 512
# Written per measurement, at most; at 100 tokens/s (a 135M model on two cores) under three minutes.
TOKEN_BUDGET = 16_384


def default_settings(facts: DataFacts) -> dict[str, Decision]:
    """The evaluation.* and merge.* settings for data like this, each with its reason."""
    new_tokens = _new_tokens(facts)
    rows = _rows(facts, new_tokens.value)
    return {
        "evaluation.rows": rows,
        "evaluation.shots": _shots(facts),
        "evaluation.max_new_tokens": new_tokens,
        "evaluation.batch_size": Decision(
            min(BATCH, max(1, rows.value)),
            f"{BATCH} rows a batch: their key/value cache stays small beside the training step, "
            "and more rows hardly decode faster on a CPU",
            "evaluation.batch",
        ),
        "merge.dtype": Decision(
            "auto",
            "the base's own 16-bit format, or a more exact one if rounding to it changes an answer",
            "merge.dtype-auto",
            (Alternative("float32", "twice the size; only where no 16-bit format agrees"),),
        ),
        "merge.verify_rows": Decision(
            min(8, max(1, facts.eval_rows)),
            "merged and adapter must answer 8 held-out rows alike, token for token",
            "merge.verify",
        ),
    }


def _new_tokens(facts: DataFacts) -> Decision:
    margin = max(8, facts.answer_max // 4)
    wanted = facts.answer_max + margin
    if wanted > LONGEST_ANSWER:
        return Decision(
            LONGEST_ANSWER,
            f"the longest answer has {facts.answer_max} tokens; capped, since longer ones cost "
            "minutes and are scored as cut",
            "evaluation.new-tokens-capped",
            (Alternative(wanted, "room for every answer, at the price of time"),),
        )
    return Decision(
        wanted,
        f"the longest answer has {facts.answer_max} tokens, and {margin} more show one that "
        "does not end",
        "evaluation.new-tokens",
    )


def _rows(facts: DataFacts, new_tokens: int) -> Decision:
    affordable = max(MIN_ROWS, TOKEN_BUDGET // new_tokens)
    rows = min(MAX_ROWS, affordable, facts.eval_rows)
    if rows == facts.eval_rows:
        because = f"all {rows} held-out rows"
    elif rows == MAX_ROWS:
        because = (
            f"{MAX_ROWS} of {facts.eval_rows} held-out rows, drawn with the seed: enough for an "
            "interval of about ±12 points at worst"
        )
    else:
        because = (
            f"{rows} of {facts.eval_rows} held-out rows, drawn with the seed: at {new_tokens} "
            f"tokens an answer more would write over {TOKEN_BUDGET} tokens each time"
        )
    return Decision(rows, because, "evaluation.rows")


def _shots(facts: DataFacts) -> Decision:
    shots = min(SHOTS, facts.rows)
    return Decision(
        shots,
        f"{shots} training rows as example turns: the base must be given its best chance before "
        "training is credited; their keys and values are computed once",
        "evaluation.shots",
        (Alternative(0, "would compare only with a base that was never shown the task"),),
    )
