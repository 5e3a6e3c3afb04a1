"""Measuring every arm on the same rows, whoever answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tunewright.engine.data.alike import asked_of
from tunewright.engine.data.example import Example
from tunewright.engine.evidence.arms import ArmPlan, Prompted, Prompts, fit
from tunewright.engine.evidence.asker import Asker
from tunewright.engine.evidence.index import Finder, Index
from tunewright.engine.evidence.passages import Passage, row_passages
from tunewright.engine.evidence.result import AnswerForm, Arm, Group
from tunewright.engine.evidence.scoring import holds, score
from tunewright.engine.prove.likelihood import Likelihood
from tunewright.engine.prove.statistics import Interval, bootstrap_interval


class Arranged:
    """The arms of a run and the prompts of every row; rows that have no room in one are left out
    of all. `numbers`: places of the kept rows in `held`."""

    def __init__(
        self, arms: Sequence[ArmPlan], held: Sequence[Example], fits: Callable[[Example], bool]
    ) -> None:
        made = [[fit(arm, row, fits) for arm in arms] for row in held]
        self.numbers = [n for n, prompts in enumerate(made) if all(prompts)]
        kept = [[p for p in made[n] if p is not None] for n in self.numbers]
        self.prompts: dict[str, list[Prompted]] = {
            arm.id: [row[at] for row in kept] for at, arm in enumerate(arms)
        }
        self.arms = tuple(arms)
        self.rows = [held[n] for n in self.numbers]


def plan_arms(
    prompts: Prompts,
    *,
    shots: int,
    passages: int,
    documents: Sequence[Passage] = (),
    dense: Callable[[Sequence[Passage]], Finder] | None = None,
) -> list[ArmPlan]:
    """The arms that can be had, cheapest first. `dense` makes a finder by meaning."""
    arms = [
        ArmPlan("zero_shot", "the row alone", "prompting", prompts.as_is),
        ArmPlan("instruction", "an instruction", "prompting", prompts.instructed),
    ]
    rows = row_passages(prompts.train)
    nearest = Index.build(rows, [asked_of(example) for example in prompts.train])
    if shots:
        told = f"instruction and {shots} "
        arms += [
            ArmPlan("few_shot", f"{told}fixed examples", "prompting", prompts.with_fixed, shots),
            ArmPlan(
                "nearest",
                f"{told}nearest examples",
                "prompting",
                prompts.with_nearest(nearest),
                shots,
                source=tuple(rows),
            ),
        ]
    if passages:
        sources: list[tuple[str, str, Sequence[Passage], bool]] = [
            ("rows", "training rows", rows, True)
        ]
        if documents:
            sources.append(("documents", "documents", documents, False))
        for id, title, texts, of_rows in sources:
            finders: list[tuple[str, str, Finder]] = [("", "BM25", Index.build(texts))]
            if dense is not None:
                finders.append(("_dense", "embeddings", dense(texts)))
            for suffix, how, finder in finders:
                told = f"{passages} passages of {title}, by {how}"
                build = prompts.with_passages(finder, texts, of_rows=of_rows)
                # Rows are examples themselves; for documents examples show how they are read, at
                # the price of a prompt that a small model can get lost in.
                shown = (0, shots) if shots and not of_rows else (0,)
                arms += [
                    ArmPlan(
                        f"retrieve_{id}{suffix}" + ("_shown" if with_shots else ""),
                        told + (f", and {with_shots} examples of reading" if with_shots else ""),
                        "retrieval",
                        build,
                        with_shots,
                        passages,
                        tuple(texts),
                    )
                    for with_shots in shown
                ]
    return arms


def measure_arm(
    plan: ArmPlan,
    prompts: Sequence[Prompted],
    asker: Asker,
    form: AnswerForm,
    seed: int,
    advance: Callable[[int], None],
) -> Arm:
    """Ask every row and score what is said; the likelihood of the reference answers beside it."""
    started = time.monotonic()
    examples = [prompt.example for prompt in prompts]
    likely = asker.likelihood(examples, advance)
    said = asker.ask(examples, lambda: advance(1))
    retrieved = tuple(prompt.retrieved for prompt in prompts) if plan.source else ()
    wants = [example.messages[-1].content for example in examples]
    return scored(
        plan.id,
        plan.title,
        plan.group,
        wants,
        said.texts,
        form,
        seed,
        prompt_tokens=round(sum(said.prompt_tokens) / len(said.prompt_tokens), 1)
        if said.prompt_tokens
        else None,
        latency_seconds=said.latency_seconds,
        likelihood=likely,
        retrieved=retrieved,
        found=_found(form, wants, retrieved, plan.source) if plan.passages else None,
        short_of_room=sum(not prompt.whole for prompt in prompts),
        cut=said.cut,
        seconds=round(time.monotonic() - started, 3),
    )


def scored(
    id: str,
    title: str,
    group: Group,
    wants: Sequence[str],
    answers: Sequence[str],
    form: AnswerForm,
    seed: int,
    *,
    prompt_tokens: float | None = None,
    latency_seconds: float | None = None,
    likelihood: Likelihood | None = None,
    retrieved: tuple[tuple[int, ...], ...] = (),
    found: float | None = None,
    short_of_room: int = 0,
    cut: int = 0,
    seconds: float = 0.0,
) -> Arm:
    """An arm with the scores of its answers, their means and intervals."""
    scores = score(wants, answers, form)
    return Arm(
        id=id,
        title=title,
        group=group,
        answers=tuple(answers),
        scores=scores,
        figures={name: bootstrap_interval(values, seed=seed) for name, values in scores.items()},
        prompt_tokens=prompt_tokens,
        latency_seconds=latency_seconds,
        likelihood=likelihood,
        retrieved=retrieved,
        found=found,
        short_of_room=short_of_room,
        cut=cut,
        seconds=seconds,
    )


def _found(
    form: AnswerForm,
    wants: Sequence[str],
    retrieved: Sequence[Sequence[int]],
    source: Sequence[Passage],
) -> float | None:
    """How often the reference answer stands in what was retrieved; only short answers can."""
    if form not in ("fact", "short"):
        return None
    hits = sum(
        any(holds(source[place].text, want) for place in places)
        for want, places in zip(wants, retrieved, strict=True)
    )
    return hits / len(wants)


def examples_help(plain: Arm, shown: Arm, seed: int) -> Interval | None:
    """Nats of an answer that examples in the prompt save, with its interval; above 0 they help."""
    if plain.likelihood is None or shown.likelihood is None:
        return None
    pairs = zip(plain.likelihood.row_nats, shown.likelihood.row_nats, strict=True)
    saved = [a - b for a, b in pairs]
    reach = max(1.0, *(abs(value) for value in saved))
    return bootstrap_interval(saved, seed=seed, bounds=(-reach, reach))
