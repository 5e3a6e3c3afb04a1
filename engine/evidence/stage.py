"""Stage "evidence": what prompting and retrieval reach on held-out rows, before any training."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tunewright.engine.data.alike import asked_of
from tunewright.engine.data.example import Example
from tunewright.engine.evidence.arms import Prompts, choose_fixed, commonest
from tunewright.engine.evidence.asker import Asker
from tunewright.engine.evidence.given import SENTENCE_TOKENS, EvidenceInput, is_endpoint
from tunewright.engine.evidence.index import Finder
from tunewright.engine.evidence.instruct import write_instruction
from tunewright.engine.evidence.measure import (
    Arranged,
    examples_help,
    measure_arm,
    plan_arms,
    scored,
)
from tunewright.engine.evidence.passages import Passage, read_passages
from tunewright.engine.evidence.result import AnswerForm, Arm, Evidence
from tunewright.engine.evidence.scoring import (
    NAMES,
    PRIMARY,
    are_facts,
    form_of,
)
from tunewright.engine.homes import cache_home
from tunewright.engine.model import check_model_folder, resolve_documents
from tunewright.engine.prove.statistics import Interval
from tunewright.engine.prove.threads import Threads
from tunewright.engine.run.events import Note, Sample
from tunewright.engine.run.job import Job
from tunewright.engine.suspect.similar import shared_with
from tunewright.hardware.errors import Problem

_SAMPLE_CHARACTERS = 2000


class Drawn(NamedTuple):
    """The rows of an evidence run: the same in all of its stages and in every replay.

    `numbers` are places of `held` in the held-out split; `leaked` rows of it were left out.
    """

    train: Sequence[Example]
    held: tuple[Example, ...]
    numbers: tuple[int, ...]
    leaked: int
    form: AnswerForm


def draw(job: Job) -> Drawn:
    """Held-out rows drawn with the seed; none that stands in training. A `Problem` when none is
    left."""
    from tunewright.engine.data.prepared import load_split

    train, held = load_split(job)
    leaked = set(shared_with(train, held))
    clean = [n for n in range(len(held)) if n not in leaked]
    if not clean:
        raise Problem(
            "there is no held-out row to measure on",
            why=f"all {len(held)} of them stand in the training rows too"
            if held
            else "no row is held out",
            cure="name other held-out rows with --eval-data, or give more rows",
        )
    count = min(len(clean), job.setting("evidence.rows"))
    numbers = tuple(sorted(random.Random(job.session.inputs.seed).sample(clean, count)))
    form = _form(job, train, held)
    return Drawn(train, tuple(held[n] for n in numbers), numbers, len(leaked), form)


def _form(job: Job, *sides: Sequence[Example]) -> AnswerForm:
    """The kind of answers. Where a new format is wanted, a sentence around a fact is a mistake."""
    answers = [example.messages[-1].content for side in sides for example in side]
    form = form_of(answers)
    given = job.session.inputs.answers
    if form != "short" or (given is not None and given.behaviour is True):
        return form
    passages = [passage.text for passage in documents_of(job)]
    asks = [asked_of(example) for side in sides for example in side]
    return "fact" if are_facts(asks, answers, passages) else form


def answer_tokens(job: Job, form: AnswerForm) -> int:
    """The most tokens that an answer may have."""
    most: int = job.setting("evaluation.max_new_tokens")
    return most + SENTENCE_TOKENS if form == "fact" else most


def given_of(job: Job) -> EvidenceInput:
    """What was asked to be measured."""
    return job.session.inputs.evidence or EvidenceInput()


def prompts_of(job: Job, drawn: Drawn, *, plain: bool) -> Prompts:
    """What all prompts of this run are made of."""
    inputs = job.session.inputs
    answers = [example.messages[-1].content for example in drawn.train]
    goal = inputs.answers.goal if inputs.answers else None
    instruction = given_of(job).instruction or write_instruction(goal, drawn.form, answers)
    shots = job.setting("evidence.shots")
    fixed = choose_fixed(drawn.train, drawn.held, shots, drawn.form, inputs.seed)
    return Prompts(instruction, drawn.train, fixed, plain=plain)


def documents_of(job: Job) -> list[Passage]:
    """The passages of the documents that were named; none where none were."""
    spec = given_of(job).documents
    return [] if spec is None else read_passages(resolve_documents(spec, job.run_dir, cache_home()))


def run(job: Job) -> None:
    """Measure every arm with the local model or the endpoint; results/evidence.json."""
    started = time.monotonic()
    drawn = draw(job)
    if is_endpoint(job.session.inputs.model):
        from tunewright.engine.evidence.endpoint import EndpointAsker

        asker = EndpointAsker(
            job.session.inputs.model,
            given_of(job).served_as,
            max_new_tokens=answer_tokens(job, drawn.form),
            between=_obey(job),
        )
        job.emit(Note(text=f"asking {asker.served_as} at {asker.url}"))
        _measure(job, drawn, asker, None, started)
        return
    from tunewright.engine.prove.models import load_base, release
    from tunewright.engine.train.trainer import quiet_libraries

    quiet_libraries()
    model = load_base(job)
    local, threads = local_asker(job, model, drawn.held, answer_tokens(job, drawn.form))
    _measure(job, drawn, local, threads, started)
    del model, local
    release()


def local_asker(
    job: Job, model: Any, held: Sequence[Example], max_new_tokens: int
) -> tuple[Asker, Threads | None]:
    """A model of this run as who is asked, with the threads that suit it."""
    from tunewright.engine.data.tokens import Renderer
    from tunewright.engine.evidence.local import LocalAsker
    from tunewright.engine.prove.threads import threads_for

    renderer = Renderer.open(job.model_dir, job.session.inputs.data.date)
    threads = threads_for(job, model, [renderer.prompt_ids(row) for row in held])
    recorded = job.session.recorded
    return (
        LocalAsker(
            model,
            renderer,
            max_new_tokens=max_new_tokens,
            batch_size=job.setting("evidence.batch_size"),
            context=recorded.model.max_position_embeddings if recorded else None,
            longest=job.setting("evidence.prompt_tokens"),
            threads=threads,
            between=_obey(job),
        ),
        threads,
    )


def _measure(
    job: Job,
    drawn: Drawn,
    asker: Asker,
    threads: Threads | None,
    started: float,
) -> None:
    from tunewright.engine.prove.measure import Pace

    given, seed = given_of(job), job.session.inputs.seed
    prompts = prompts_of(job, drawn, plain=asker.plain)
    arms = plan_arms(
        prompts,
        shots=len(prompts.fixed),
        passages=job.setting("evidence.passages"),
        documents=documents_of(job),
        dense=_dense(job, given),
    )
    arranged = Arranged(arms, drawn.held, asker.fits)
    if not arranged.rows:
        raise Problem(
            "no held-out row fits the model",
            why="each prompt and its answer together exceed the model's context",
            cure="shorten the rows, or take a model with a longer context",
        )
    pace = Pace(job, "evidence", len(arranged.rows) * len(arms) * 2)
    wants = [row.messages[-1].content for row in arranged.rows]
    measured: list[Arm] = []
    if drawn.form != "text":
        same = commonest([example.messages[-1].content for example in drawn.train])
        title = "always the commonest answer"
        measured.append(
            scored("same", title, "floor", wants, [same] * len(wants), drawn.form, seed)
        )
    for plan in arms:
        arm = measure_arm(
            plan,
            arranged.prompts[plan.id],
            asker,
            drawn.form,
            seed,
            pace.advance,
        )
        measured.append(arm)
        primary = PRIMARY[drawn.form]
        job.emit(Note(text=f"{arm.title}: {told(arm.figures[primary])} {NAMES[primary]}"))
    result = _result(job, drawn, arranged, prompts, tuple(measured), threads, asker, started)
    best = result.best("prompting")
    assert best is not None
    for number, want, got in zip(result.rows, result.wants, best.answers, strict=True):
        job.emit(
            Sample(
                stage="evidence",
                row=number,
                want=want[:_SAMPLE_CHARACTERS],
                got=got[:_SAMPLE_CHARACTERS],
            )
        )
    job.save_result("evidence", result)


def _result(
    job: Job,
    drawn: Drawn,
    arranged: Arranged,
    prompts: Prompts,
    arms: tuple[Arm, ...],
    threads: Threads | None,
    asker: Asker,
    started: float,
) -> Evidence:
    primary = PRIMARY[drawn.form]
    by_id = {arm.id: arm for arm in arms}
    shown = by_id.get("few_shot")
    return Evidence(
        figures={
            **{f"{a.id}_{name}": i.mean for a in arms for name, i in a.figures.items()},
            **{f"{a.id}_nats": a.likelihood.nats_per_token for a in arms if a.likelihood},
        },
        verdict=verdict(arms, primary),
        form=drawn.form,
        primary=primary,
        target=None if drawn.form == "text" else job.setting("evidence.target"),
        rows=tuple(drawn.numbers[n] for n in arranged.numbers),
        asks=tuple(asked_of(row) for row in arranged.rows),
        wants=tuple(row.messages[-1].content for row in arranged.rows),
        leaked=drawn.leaked,
        left_out=len(drawn.held) - len(arranged.rows),
        instruction=prompts.instruction,
        shots=prompts.fixed,
        arms=arms,
        examples_help=examples_help(by_id["instruction"], shown, job.session.inputs.seed)
        if shown
        else None,
        no_likelihood=asker.no_likelihood,
        max_new_tokens=answer_tokens(job, drawn.form),
        served_as=asker.served_as,
        threads=threads,
        seconds=round(time.monotonic() - started, 3),
    )


def verdict(arms: Sequence[Arm], primary: str) -> str:
    """The best of prompting and of retrieval in a line."""
    parts = []
    for group in ("prompting", "retrieval"):
        of_group = [arm for arm in arms if arm.group == group]
        if of_group:
            best = max(of_group, key=lambda arm: arm.figures[primary].mean)
            parts.append(f"{group} {told(best.figures[primary])} ({best.title})")
    return f"{NAMES[primary]}: " + ", ".join(parts)


def told(figure: Interval) -> str:
    """A share with its interval, as in "0.91 [0.80, 0.96]"."""
    return f"{figure.mean:.2f} [{figure.low:.2f}, {figure.high:.2f}]"


def _dense(job: Job, given: EvidenceInput) -> Callable[[Sequence[Passage]], Finder] | None:
    if given.embedder is None:
        return None
    folder = check_model_folder(job.run_dir / given.embedder)
    from tunewright.engine.evidence.embed import Embedded

    return lambda passages: Embedded.of_passages(folder, passages, _obey(job))


def _obey(job: Job) -> Callable[[], None]:
    """What is done before each forward pass or request: wait while paused, leave when asked to."""
    from tunewright.engine.run.job import Stopped

    def obey() -> None:
        job.orders.wait_while_paused()
        because = job.orders.stop_requested()
        if because is not None:
            raise Stopped(because)

    return obey
