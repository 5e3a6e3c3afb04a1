"""How much is measured: rows, examples, passages, sizes of the pilot; each with its reason."""

from __future__ import annotations

from math import ceil

from tunewright.engine.data.example import DataFacts
from tunewright.engine.evidence.given import SENTENCE_TOKENS, EvidenceInput
from tunewright.engine.plan import Alternative, Decision
from tunewright.engine.prove.defaults import TOKEN_BUDGET

ROWS = 50
FEWEST_ROWS = 16
# Tokens of all three trainings on a CPU with a model of 135M parameters: some five minutes there.
PILOT_TOKENS = 50_000
_PILOT_PARAMETERS = 135_000_000
_FEWEST_PILOT_TOKENS = 6_000
_GPU_TIMES = 40
PILOT_BATCH = 4
# A training this short has no time for small steps; LoRA bears these on small models.
PILOT_RATE = 5e-4
_SMALL = 1_000_000_000
# What a passage of documents has at most, nearly: it ends at the line that reaches its words.
PASSAGE_TOKENS = 240
INSTRUCTION_TOKENS = 200
_SIZES = 3
_FEWEST_IN_A_SIZE = 8


def default_rows(given: EvidenceInput, held: int, new_tokens: int) -> Decision:
    """How many held-out rows are asked, at most `given.rows` or 50."""
    if given.rows is not None:
        return Decision(min(given.rows, held), "you set it", "evidence.rows-asked")
    affordable = max(FEWEST_ROWS, TOKEN_BUDGET // new_tokens)
    rows = min(ROWS, held, affordable)
    because = (
        f"all {held} held-out rows"
        if rows == held
        else f"{rows} of {held} held-out rows, drawn with the seed: an interval of about "
        f"±{round(98 / rows**0.5)} points at worst"
    )
    if rows == affordable < min(ROWS, held):
        because += f"; at {new_tokens} tokens an answer more would take too long"
    return Decision(rows, because, "evidence.rows")


def evidence_settings(
    given: EvidenceInput, facts: DataFacts, new_tokens: int, parameters: int, device: str
) -> dict[str, Decision]:
    """The evidence.* and pilot.* settings of a session that asks for evidence."""
    return {
        "evidence.rows": default_rows(given, facts.eval_rows, new_tokens),
        **prompt_settings(given, facts.rows),
        **_pilot_settings(facts, parameters, device),
    }


def longest_prompt(
    given: EvidenceInput, facts: DataFacts, context: int | None, new_tokens: int
) -> int:
    """Tokens of the longest prompt: the longest row, after as many examples of its length and with
    the passages of each; never beyond the model's context, since prompts are made to fit it."""
    shots = min(given.shots, max(0, facts.rows - 1))
    told = INSTRUCTION_TOKENS + len((given.instruction or "").encode()) // 2
    shown = (1 + shots) * facts.length_max
    of_rows = facts.length_max * (1 + given.passages)
    of_documents = 0
    if given.documents is not None:
        of_documents = (1 + shots) * (facts.length_max + given.passages * PASSAGE_TOKENS)
    most = told + max(shown, of_rows, of_documents)
    return most if context is None else min(most, max(facts.length_max, context - new_tokens))


def most_new_tokens(given: EvidenceInput, new_tokens: int) -> int:
    """The most tokens of an answer, where it may be a sentence around a fact of the documents."""
    return new_tokens if given.documents is None else new_tokens + SENTENCE_TOKENS


def asking_settings(prompt: int, rows: int, asked: int) -> dict[str, Decision]:
    """How many prompts of how many tokens are asked at once; `asked` would be as many as in an
    evaluation, whose prompts are shorter."""
    return {
        "evidence.prompt_tokens": Decision(
            prompt,
            f"no prompt has more than {prompt:,} tokens: the memory for so many is provided for; "
            "examples are left out of one that would",
            "evidence.prompt-tokens",
        ),
        "evidence.batch_size": Decision(
            rows,
            f"{rows} prompts at once"
            + ("" if rows == asked else f"; {asked} of this length do not fit"),
            "evidence.batch-memory",
        ),
    }


def prompt_settings(given: EvidenceInput, train_rows: int) -> dict[str, Decision]:
    """What a prompt shows, and the figure that is good enough."""
    shots = min(given.shots, max(0, train_rows - 1))
    return {
        "evidence.shots": Decision(
            shots, f"{shots} training rows as examples in a prompt", "evidence.shots"
        ),
        "evidence.passages": Decision(
            given.passages, f"{given.passages} retrieved passages in a prompt", "evidence.passages"
        ),
        "evidence.target": Decision(
            given.target,
            f"{given.target:g} is good enough: what reaches it cheaply needs nothing dearer",
            "evidence.target",
        ),
    }


def pilot_steps(rows: int) -> int:
    """Optimizer steps of a pilot on `rows` rows: up to three passes where rows are few."""
    passes = min(3, max(1, ceil(60 * PILOT_BATCH / rows)))
    return max(1, ceil(rows / PILOT_BATCH) * passes)


def _pilot_settings(facts: DataFacts, parameters: int, device: str) -> dict[str, Decision]:
    mean = max(1.0, facts.train_tokens / max(1, facts.rows))
    budget = PILOT_TOKENS * min(1.0, _PILOT_PARAMETERS / max(1, parameters))
    budget = max(_FEWEST_PILOT_TOKENS, budget) * (_GPU_TIMES if device == "cuda" else 1)
    largest = facts.rows
    while largest > _FEWEST_IN_A_SIZE and _tokens(largest, mean) > budget:
        largest = int(largest * 0.95)
    sizes = [max(1, largest // 2**shrink) for shrink in reversed(range(_SIZES))]
    told = "all of them" if largest == facts.rows else "what takes a few minutes here"
    return {
        "pilot.rows": Decision(
            sizes,
            f"{largest:,} of {facts.rows:,} training rows, {told}, and a half and a quarter of "
            "them: how the figure grows with rows",
            "pilot.rows",
        ),
        "pilot.learning_rate": Decision(
            PILOT_RATE if parameters < _SMALL else None,
            "a short training on few rows needs larger steps than a long one"
            if parameters < _SMALL
            else "that of the whole training",
            "pilot.learning-rate",
            (Alternative(3e-4, "that of the whole training"),) if parameters < _SMALL else (),
        ),
    }


def _tokens(largest: int, mean: float) -> float:
    return sum(
        pilot_steps(max(1, largest // 2**shrink)) * PILOT_BATCH * mean for shrink in range(_SIZES)
    )
