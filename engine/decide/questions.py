"""The questions of the decision as data: their words, why each is asked, what answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tunewright.engine.decide.case import ENOUGH, FEW
from tunewright.engine.decide.facts import Facts

Kind = Literal["text", "choice", "yes_no", "number"]


class Choice(msgspec.Struct, frozen=True):
    """One possible answer. `explained` is for the person who chooses, `said` completes "if …".
    Of a number, the smallest that stands for all up to the next choice."""

    value: str | bool | int
    explained: str
    said: str


class Question(msgspec.Struct, frozen=True):
    """`id` is the field of `Answers`, `short` what a list of answers calls it. `fact` says in words
    what counts can answer it. Of `choices`, `least` is the number of the one that promises least:
    it is offered, so that nothing is claimed by pressing enter."""

    id: str
    short: str
    text: str
    why: str
    kind: Kind
    choices: tuple[Choice, ...] = ()
    fact: str | None = None
    least: int = 0


def _yes_no(yes: str, yes_said: str, no: str, no_said: str) -> tuple[Choice, ...]:
    return Choice(True, yes, yes_said), Choice(False, no, no_said)


QUESTIONS: tuple[Question, ...] = (
    Question(
        "goal",
        "goal",
        "What should the model do?",
        "it is kept with the run, so that the report says what was wanted; it changes no advice",
        "text",
    ),
    Question(
        "external_lookup",
        "live lookups",
        "Must it look things up live, or act, in other systems?",
        "what is only known at the time of the question can be neither trained nor indexed",
        "yes_no",
        _yes_no(
            "yes: stock levels, calendars, bookings, calculations, searches",
            "live lookups or actions are needed",
            "no: what it needs is known, or stands in documents",
            "no live lookups are needed",
        ),
        least=1,
    ),
    Question(
        "prompting",
        "prompting",
        "How far do instructions to the base model get, with examples in the prompt?",
        "prompting is the cheapest approach: where it works, nothing else is needed",
        "choice",
        (
            Choice("untried", "not tried yet", "prompting has not been tried"),
            Choice("fails", "tried; it does not do what is wanted", "prompting fails"),
            Choice("partly", "sometimes right, not reliably", "prompting works only in part"),
            Choice("works", "well enough for use", "prompting works"),
        ),
        fact="the base model, measured on held-out rows",
    ),
    Question(
        "knowledge",
        "knowledge",
        "Do the answers need knowledge that the model does not have, and does it change?",
        "facts are better looked up than trained, the more so when they change",
        "choice",
        (
            Choice("none", "none beyond general knowledge", "no special knowledge is needed"),
            Choice("static", "yes, and it stays as it is", "static knowledge is needed"),
            Choice(
                "changes_monthly",
                "yes, and it changes every few weeks or months",
                "knowledge that changes monthly is needed",
            ),
            Choice(
                "changes_daily",
                "yes, and it changes every day or week",
                "knowledge that changes daily is needed",
            ),
        ),
    ),
    Question(
        "behaviour",
        "new behaviour",
        "Should it behave in a new way: a style, a format, a skill?",
        "training changes how a model answers; it is a poor way to change what it knows",
        "yes_no",
        _yes_no(
            "yes: another tone, a strict format, a task of its own",
            "new behaviour is wanted",
            "no: it should answer as it does, but rightly",
            "no new behaviour is wanted",
        ),
        least=1,
    ),
    Question(
        "data",
        "data",
        "Is there a file with examples?",
        "rows that are counted answer the next questions better than an estimate; leave it empty "
        "if there is none",
        "text",
        fact="a data file that was already read",
    ),
    Question(
        "examples",
        "examples",
        "How many good examples are there, each with the answer you want?",
        f"under {FEW} there is nothing to train on, from {ENOUGH} on there is",
        "number",
        (
            Choice(0, f"fewer than {FEW}", f"there are fewer than {FEW} distinct examples"),
            Choice(
                FEW,
                f"{FEW} to {ENOUGH - 1}",
                f"there are {FEW} to {ENOUGH - 1} distinct examples",
            ),
            Choice(ENOUGH, f"{ENOUGH} or more", f"there are {ENOUGH} or more distinct examples"),
        ),
        fact="the number of distinct rows",
    ),
    Question(
        "preference_pairs",
        "preference pairs",
        "How many prompts have both a better and a worse answer?",
        "they allow preference training (DPO), and their better answers are examples too",
        "number",
        (
            Choice(0, f"none, or fewer than {FEW}", f"there are fewer than {FEW} preference pairs"),
            Choice(
                FEW,
                f"{FEW} to {ENOUGH - 1}",
                f"there are {FEW} to {ENOUGH - 1} preference pairs",
            ),
            Choice(ENOUGH, f"{ENOUGH} or more", f"there are {ENOUGH} or more preference pairs"),
        ),
    ),
    Question(
        "quality",
        "quality",
        "How good are these examples?",
        "a tuned model copies its examples, with their mistakes",
        "choice",
        (
            Choice("high", "checked: right and consistent", "the examples are of high quality"),
            Choice("mixed", "mostly right, some are not", "the examples are of mixed quality"),
            Choice("low", "often wrong or contradictory", "the examples are of low quality"),
            Choice("unknown", "nobody has looked", "nobody knows how good the examples are"),
        ),
        fact="rows that contradict each other",
        least=3,
    ),
    Question(
        "repetitive",
        "repetitive",
        "Is it one well-defined task that comes again and again?",
        "classification, extraction and formatting are learned well, and are worth training once",
        "yes_no",
        _yes_no(
            "yes: the same task with other inputs",
            "the task is repetitive",
            "no: each request is different",
            "the task is not repetitive",
        ),
        least=1,
    ),
    Question(
        "token_cost_critical",
        "token cost matters",
        "Is the cost of long prompts a problem?",
        "what is trained need not be said, and paid for, in every prompt",
        "yes_no",
        _yes_no(
            "yes: many requests, or a small budget",
            "token cost is critical",
            "no",
            "token cost is not critical",
        ),
        least=1,
    ),
    Question(
        "latency_critical",
        "latency matters",
        "Must answers come fast?",
        "retrieval and long prompts add time to every answer",
        "yes_no",
        _yes_no(
            "yes: people or machines wait for it",
            "latency is critical",
            "no",
            "latency is not critical",
        ),
        least=1,
    ),
    Question(
        "domain_terms",
        "special terms",
        "Does it need the terms or the reasoning of a special field?",
        "ways of speaking and reasoning can be trained, even where facts should be looked up",
        "yes_no",
        _yes_no(
            "yes: medicine, law, your own product's language",
            "terms of a special field are needed",
            "no",
            "no terms of a special field are needed",
        ),
        least=1,
    ),
)

BY_ID = {question.id: question for question in QUESTIONS}


def said_of(question: Question, choices: Sequence[Choice]) -> str:
    """Some choices of a question in words, as they follow an "if"; numbers as one range."""
    last = question.choices[-1]
    if question.kind == "number" and len(choices) > 1:
        if choices[0].value == 0 and choices[-1] != last:
            bound = question.choices[question.choices.index(choices[-1]) + 1].value
            return choices[0].said.replace(f"fewer than {FEW}", f"fewer than {bound}")
        if choices[0].value != 0 and choices[-1] == last:
            return last.said.replace(f"{ENOUGH} or more", f"{choices[0].value} or more")
    return _either([choice.said for choice in choices])


def _either(said: Sequence[str]) -> str:
    """Clauses joined by "or"; the words in which all of them end are said once."""
    words = [clause.split() for clause in said]
    shared = 0
    while len(said) > 1 and all(len(w) > shared + 1 for w in words):
        if len({w[-1 - shared] for w in words}) > 1:
            break
        shared += 1
    end = " ".join(words[0][len(words[0]) - shared :])
    heads = [" ".join(w[: len(w) - shared]) for w in words]
    *first, last = heads
    joined = f"{', '.join(first)} or {last}" if first else last
    return f"{joined} {end}".rstrip()


def fact_answer(id: str, facts: Facts) -> Any:
    """What the facts answer to a question; None when they do not."""
    if id == "examples":
        return facts.distinct
    if id == "quality":
        return facts.quality
    if id == "prompting" and facts.measured is not None and not facts.broken:
        return facts.measured.answer
    return None
