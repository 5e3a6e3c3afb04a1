"""The examples: how many there are, how good, and what is wrong with them."""

from __future__ import annotations

from tunewright.engine.decide.case import ENOUGH, FEW, Case
from tunewright.engine.decide.guide import checklist
from tunewright.engine.decide.rules.rule import CLEAR, SLIGHT, STRONG, Rule, told

DATA_CHECKLIST = (
    "data quality checklist: correct and high-quality outputs (garbage in, garbage out), no exact "
    "or near-duplicates"
)
# As many cut rows as planning lets pass.
_MOST_TOO_LONG = 0.05
# From this share on, repetitions are told.
_MANY_REPEATS = 0.1


def _same_answer(case: Case) -> str:
    found = case.facts.trouble("constant")
    if found is None or found.rows == found.of:
        return f"all {case.facts.rows:,} rows have the same answer"
    return f"{found.rows:,} of {found.of:,} rows have the same answer"


def _trouble(id: str, *, severe: bool, stops: bool | None = None) -> Rule:
    """The rule of a trouble that was found in the rows (`engine.suspect`). A severe one stops a
    training, or is only told like the others where it does not."""
    stops = severe if stops is None else stops

    def when(case: Case) -> bool:
        found = case.facts.trouble(id)
        return found is not None and found.severe == severe

    def sentence(case: Case) -> str:
        found = case.facts.trouble(id)
        assert found is not None
        return f"{found.message}: {found.repair}"

    return Rule(
        f"data.{id}_most" if severe else f"data.{id}",
        when,
        (("collect_data", STRONG if stops else SLIGHT),),
        sentence,
        DATA_CHECKLIST,
        "" if stops else "some",
    )


RULES = (
    Rule(
        "data.constant",
        lambda c: c.facts.constant,
        (("collect_data", STRONG),),
        lambda c: f"{_same_answer(c)}: there is nothing in them to learn but that one answer",
        checklist("few"),
    ),
    Rule(
        "data.none",
        lambda c: c.examples == 0,
        (("collect_data", STRONG),),
        told("there are no examples to train on"),
        checklist("few"),
    ),
    Rule(
        "data.few",
        lambda c: c.few and c.examples != 0,
        (("collect_data", STRONG),),
        lambda c: (
            f"{c.examples:,} distinct example{'s' if c.examples != 1 else ''}: under {FEW}, a "
            "model learns them by heart rather than the task"
        ),
        checklist("few"),
    ),
    Rule(
        "data.low_quality",
        lambda c: c.quality == "low",
        (("collect_data", STRONG),),
        lambda c: (
            f"{c.facts.conflicting_rows:,} of {c.facts.rows:,} rows have a prompt that another row "
            "answers otherwise: the model would learn the contradiction"
            if c.facts.quality == "low"
            else "the examples are of low quality, and a tuned model copies what it is shown"
        ),
        checklist("few"),
    ),
    Rule(
        "data.thin",
        lambda c: c.thin and c.quality not in ("high", "low"),
        (("collect_data", CLEAR),),
        lambda c: (
            f"{c.examples:,} examples lie between {FEW} and {ENOUGH}, where nobody can tell "
            "beforehand, and nothing says that they are good"
        ),
        "between two lines of the expert checklist: under 100, and 500 or more",
        "much",
    ),
    Rule(
        "data.thin_but_good",
        lambda c: c.thin and c.quality == "high",
        (("collect_data", SLIGHT),),
        lambda c: (
            f"{c.examples:,} good examples lie between {FEW} and {ENOUGH}: a small pilot can "
            "tell, a rule cannot (1,000 carefully chosen ones were enough for LIMA)"
        ),
        "between two lines of the expert checklist; Zhou et al. 2023, arXiv:2305.11206",
        "much",
    ),
    Rule(
        "data.enough",
        lambda c: c.enough and c.quality != "low" and not c.facts.constant,
        (("fine_tune", SLIGHT),),
        lambda c: (
            f"{c.examples:,} examples: {ENOUGH} or more are there"
            + ("" if c.examples is not None and c.examples >= 1000 else "; 1,000 are better")
        ),
        checklist("rows"),
    ),
    Rule(
        "data.repeats",
        lambda c: c.facts.duplicate_share >= _MANY_REPEATS,
        (("collect_data", SLIGHT),),
        lambda c: (
            f"{c.facts.duplicate_rows:,} of {c.facts.rows:,} rows repeat another one and teach "
            "nothing new"
        ),
        "data quality checklist: no exact or near-duplicates; Lee et al. 2022, arXiv:2107.06499",
        "some",
    ),
    Rule(
        "data.claimed",
        lambda c: c.claimed is not None,
        (("collect_data", SLIGHT),),
        lambda c: f"{c.claimed:,} examples were said; the rows hold {c.facts.distinct:,} distinct",
        "count of the rows",
        "some",
    ),
    Rule(
        "data.contradicts",
        lambda c: c.facts.quality is not None and c.quality == "high",
        (("collect_data", SLIGHT),),
        lambda c: (
            f"the examples are said to be of high quality, yet {c.facts.conflicting_rows:,} of "
            f"{c.facts.rows:,} rows have a prompt that another row answers otherwise"
        ),
        "count of the rows",
        "some",
    ),
    Rule(
        "data.too_long",
        lambda c: (c.facts.too_long or 0) > _MOST_TOO_LONG * (c.facts.rows or 0),
        (("collect_data", SLIGHT),),
        lambda c: (
            f"{c.facts.too_long:,} of {c.facts.rows:,} rows are longer than the model's context: "
            "the end of their answer would be cut; shorten them, or take a model with a longer one"
        ),
        "lengths of the rows under the model's tokenizer",
        "some",
    ),
    _trouble("repeats", severe=True),  # fewer of them are `data.repeats`
    _trouble("copied", severe=True),
    _trouble("copied", severe=False),
    _trouble("truncated", severe=True),
    _trouble("truncated", severe=False),
    _trouble("unrelated", severe=True),
    _trouble("unrelated", severe=False),
    # They spoil the measurement, not the training.
    _trouble("leaked", severe=True, stops=False),
    _trouble("leaked", severe=False),
)
