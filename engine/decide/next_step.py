"""What to do next for a verdict: the cheapest experiment, or what a measurement left to be run."""

from __future__ import annotations

import shlex
from typing import NamedTuple

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.case import ENOUGH, FEW, Case
from tunewright.engine.decide.guide import TRAINS, Verdicts
from tunewright.engine.decide.questions import BY_ID
from tunewright.engine.decide.verdict import Confidence, NextStep
from tunewright.engine.evidence.given import is_endpoint

# With more open questions than this that each could turn the verdict, an answer is cheaper than any
# experiment.
MANY_PIVOTS = 2
_MEASURED = (
    "prompting, retrieval and a short pilot training are measured on held-out rows, with intervals"
)
_WORTH_BUILDING = (
    "where the answers become right, a tool call is worth building (this version builds none)"
)
_SERVED = (
    "to serve the base model, on a GPU: sh {kit}/serve.sh, and then tunewright ask {run} --at "
    "http://127.0.0.1:8000/v1"
)
_MOSTLY_FOUND = 0.8


class Named(NamedTuple):
    """What commands call things. `answers`: their file, "" where there is none. `run`: the run that
    measured, whose kit/ holds what to run; `model` as the person named it; `kit`: the folder of
    that kit."""

    answers: str = "ANSWERS.json"
    model: str = "MODEL"
    run: str | None = None
    kit: str | None = None


def next_step(
    verdict: Verdicts,
    confidence: Confidence,
    case: Case,
    answers: Answers,
    pivots: tuple[str, ...],
    named: Named,
) -> NextStep:
    """What to do next. After a measurement, what it made; else an answer where many are missing,
    and else the cheapest experiment. `pivots` are the open questions that alone could turn the
    verdict."""
    data = shlex.quote(answers.data) if answers.data else "DATA"
    model = shlex.quote(named.model)
    if named.run is not None and named.kit is not None:
        return _made(verdict, case, data, model, named.run, shlex.quote(named.kit))
    again = "tunewright decide"
    if named.answers:
        again += f" --answers {shlex.quote(named.answers)}"
    measure = f"{again} --data {data} --model {model}"
    severe = [trouble for trouble in case.facts.troubles if trouble.severe]
    if severe and verdict in ("collect_data", *TRAINS):
        first = severe[0]
        if first.id == "leaked":
            return NextStep(
                f"repair first: {first.message}; {first.repair}, or hold rows out anew, which puts "
                "nothing alike on both sides:",
                f"tunewright data split {data} --out SPLIT",
            )
        return NextStep(
            f"repair first: {first.message}; {first.repair}, then count again. What is missing, "
            "and a template for it, is written by this",
            f"{again} --data {data} --kit KIT",
        )
    if len(pivots) > MANY_PIVOTS:
        question = BY_ID[pivots[0]]
        return NextStep(f"answer this first: {question.text} ({question.why})", again)
    if verdict == "prompting":
        return _prompting(case, measure, f"{again} --kit KIT")
    if verdict == "rag":
        return NextStep(
            "measure it, with questions that have answers and the folder of documents: "
            f"{_MEASURED}; the index that is measured is kept and can be asked",
            f"{measure} --documents FOLDER",
        )
    counted = f"{again} --data {data}"
    if verdict == "tools":
        return NextStep(
            "do the lookup by hand for ten real questions and put its result into the prompt: "
            f"{_WORTH_BUILDING}. A list and a template for it:",
            f"{again} --kit KIT",
        )
    if verdict == "collect_data":
        return NextStep(_collect(case) + "; a list and a template:", f"{counted} --kit KIT")
    if case.examples is None:
        return NextStep("count the examples: training stands and falls with them", counted)
    if verdict == "fine_tune_rag":
        return NextStep(
            f"measure both first: {_MEASURED}; where both are needed, rows with the passages that "
            "retrieval gives are written, ready to train on",
            f"{measure} --documents FOLDER",
        )
    if case.thin:
        return NextStep(
            f"a pilot on the {case.examples:,} examples, before anything dearer: {_MEASURED}",
            measure,
        )
    if confidence == "high":
        return NextStep(
            "train: the base model's answers are measured first, then the tuned model's, and both "
            "are compared",
            f"tunewright train {model} {data}",
        )
    return NextStep(f"before the whole training, measure: {_MEASURED}", measure)


def _made(verdict: Verdicts, case: Case, data: str, model: str, run: str, kit: str) -> NextStep:
    """What a measurement has left ready to run, by verdict; `evidence.kit` writes these files."""
    leaked = case.facts.trouble("leaked")
    first = f"first {leaked.repair}; then " if leaked else ""
    # What answers at a server cannot be trained there: the person has to name its folder.
    trained = "MODEL" if is_endpoint(model) else model
    if verdict == "prompting":
        enough = case.by_measurement == "prompting"
        served = "" if is_endpoint(model) else f"; {_SERVED.format(kit=kit, run=run)}"
        return NextStep(
            f"{first}"
            + (
                ""
                if enough
                else "nothing that was measured is good enough: measure a larger model; "
            )
            + f"the best prompt stands in {kit}/prompt.json, and this answers with it{served}",
            f"tunewright ask {run}",
        )
    if verdict == "rag":
        return NextStep(
            f"{first}ask the index that was measured: it stands in {kit}/index, and answers cite"
            + _better_reading(case),
            f"tunewright ask {run}",
        )
    if verdict == "fine_tune_rag":
        return NextStep(
            f"{first}train on the rows with their retrieved passages, and keep the index in "
            f"{kit}/index for questions",
            f"tunewright train {trained} {kit}/train.jsonl --eval-data {kit}/eval.jsonl",
        )
    if verdict == "collect_data":
        return NextStep(
            f"{first}write the rows that are missing: {kit}/missing.md lists them, "
            f"{kit}/template.jsonl is to be filled in; then measure again",
            f"tunewright decide --data {data} --model {model}",
        )
    if verdict == "fine_tune":
        return NextStep(
            f"{first}train on all rows: the same held-out rows are measured before and after",
            f"tunewright train {trained} {data}",
        )
    return NextStep(
        "do the lookup by hand for ten real questions, and ask each with its result below it: "
        f"{_WORTH_BUILDING}",
        f"tunewright ask {run}",
    )


def _better_reading(case: Case) -> str:
    """What would make an answer from documents better, where its figure is not good enough."""
    measured = case.facts.measured
    short = measured.short_of_target("rag") if measured and case.by_measurement == "rag" else None
    if measured is None or short is None:
        return ""
    if measured.found is None:
        return f"; {short}: more passages (--passages) or a larger model may do better"
    if measured.found >= _MOSTLY_FOUND:
        return (
            f"; {short}: the answer stood in what was retrieved for {measured.found:.0%} of the "
            "questions, so it is read badly, not missed: measure a larger model"
        )
    return (
        f"; {short}: the answer stood in what was retrieved for {measured.found:.0%} of the "
        "questions only: more passages (--passages) or an embedding model (--embedder) may find it"
    )


def _prompting(case: Case, measure: str, trial: str) -> NextStep:
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
    if case.examples:
        return NextStep(f"{said}; with rows at hand {_MEASURED}", measure)
    return NextStep(f"{said}; a template for them, to be measured on:", trial)


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
