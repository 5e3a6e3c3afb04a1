"""The next cheapest experiment for a verdict, with a command where this version has one."""

from __future__ import annotations

import shlex

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.case import ENOUGH, FEW, Case
from tunewright.engine.decide.guide import Verdicts
from tunewright.engine.decide.questions import BY_ID
from tunewright.engine.decide.verdict import Confidence, NextStep

# With more open questions than this that each could turn the verdict, an answer is cheaper than any
# experiment.
MANY_PIVOTS = 2
_BASELINE = "the base model's answers on held-out rows are measured, without and with examples"


def next_step(
    verdict: Verdicts,
    confidence: Confidence,
    case: Case,
    answers: Answers,
    pivots: tuple[str, ...],
    answers_file: str,
) -> NextStep:
    """What to do next: an answer where many are missing, else the cheapest experiment. `pivots` are
    the open questions that alone could turn the verdict."""
    data = shlex.quote(answers.data) if answers.data else "DATA"
    baseline = f"tunewright train MODEL {data} --stages baseline"
    again = f"tunewright decide --answers {shlex.quote(answers_file)}"
    if len(pivots) > MANY_PIVOTS:
        first = BY_ID[pivots[0]]
        return NextStep(f"answer this first: {first.text} ({first.why})", again)
    if verdict == "prompting":
        return _prompting(case, baseline)
    if verdict == "rag":
        return NextStep(
            "put the right passages into the prompt of ten real questions by hand: where the "
            "answers become right, an index is worth building (this version builds none)",
            None,
        )
    if verdict == "tools":
        return NextStep(
            "do the lookup by hand for ten real questions and put its result into the "
            "prompt: where the answers become right, a tool call is worth building (this version "
            "builds none)",
            None,
        )
    counted = f"{again} --data {data}"
    if verdict == "collect_data":
        return NextStep(_collect(case), counted)
    if case.examples is None:
        return NextStep("count the examples: training stands and falls with them", counted)
    if verdict == "fine_tune_rag":
        return NextStep(
            "first the base model with the right passages in its prompt: write the rows with the "
            f"passages that retrieval would give (this version builds no index), then {_BASELINE}; "
            "only what is still missing then has to be trained",
            baseline,
        )
    if case.thin:
        return NextStep(
            f"a pilot: {_BASELINE}, then a LoRA is trained on the {case.examples:,} examples and "
            "compared with it, with intervals",
            f"tunewright train MODEL {data}",
        )
    if confidence == "high":
        return NextStep(
            f"train: {_BASELINE} first, then the tuned model's, and both are compared",
            f"tunewright train MODEL {data}",
        )
    return NextStep(
        f"before any training, {_BASELINE}: where examples in the prompt suffice, there is nothing "
        "to train",
        baseline,
    )


def _prompting(case: Case, baseline: str) -> NextStep:
    command = baseline if case.examples else None
    measured = f"; with rows at hand {_BASELINE}" if command else ""
    if case.prompting == "works":
        said = "keep the prompt, and keep twenty inputs with their right answers to test changes on"
    elif case.prompting in ("fails", "partly"):
        said = (
            "put three to five well-chosen examples into the prompt, or try a larger model, and "
            "judge twenty real inputs"
        )
    else:
        said = (
            "write an instruction with three examples and judge its answers to twenty real inputs"
        )
    return NextStep(said + measured, command)


def _collect(case: Case) -> str:
    facts = case.facts
    if facts.duplicate_share >= 0.5 and not case.enough:
        return (
            f"remove the {facts.duplicate_rows:,} repeated rows, collect at least "
            f"{_missing(case):,} that are new, then count again"
        )
    if facts.constant:
        return "collect rows whose answers differ as the inputs do, then count again"
    if case.quality == "low":
        return "repair or remove the bad examples before adding any: fifty checked by hand show how"
    if case.thin:
        return (
            "check a hundred examples by hand; where they are good, a pilot can tell, otherwise "
            f"{_missing(case):,} more are needed"
        )
    return (
        f"collect at least {_missing(case):,} more examples; the first {FEW} show whether it is "
        "worth it"
    )


def _missing(case: Case) -> int:
    return max(0, ENOUGH - (case.examples or 0))
