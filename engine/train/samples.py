"""A few held-out rows, answered at each evaluation of a training, to see the answers change.

What is trained stays what it is, bit for bit: answers are greedy and without gradients, random
states and the modes of all modules are put back, and the time is kept out of the pace. Of several
processes the first one answers alone, with its own copy of the model; the others wait for it at the
next step.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tunewright.engine.data.example import Example
from tunewright.engine.plan import Plan
from tunewright.engine.prove.baseline import Baseline
from tunewright.engine.prove.threads import Threads
from tunewright.engine.run.events import Event, Note, Sample, Warned
from tunewright.engine.run.job import Job
from tunewright.engine.text import duration
from tunewright.engine.train.rules import samples as settings
from tunewright.engine.train.threads import recorded_threads

# Nobody waits longer for a look at the answers, whatever the training takes.
LONGEST_SECONDS = 30.0
# From here on an order to stop is looked for at every token, and not only at the next step.
_SOON_SECONDS = 2.0
_CHARACTERS = 2000


class Row(msgspec.Struct, frozen=True):
    """A held-out row: its place among them (0-based), its prompt in tokens, what it asks last, and
    the answer wanted."""

    number: int
    prompt: list[int]
    asked: str
    want: str

    def said(self, got: str, *, step: int, cut: bool, seconds: float | None = None) -> Sample:
        """The row with what a model said to it, each text cut for the screen."""
        return Sample(
            stage="train",
            row=self.number,
            want=self.want[:_CHARACTERS],
            got=got[:_CHARACTERS],
            step=step,
            seconds=seconds,
            cut=cut,
            asked=self.asked[:_CHARACTERS],
        )


class _BrokenOff(Exception):
    """Answering was left in the middle; the text says why."""


class Sampler:
    """Answers the same rows again and again. `share` is what it may take of the time trained.

    `answer` gives the tokens of each row's answer and calls what it is given before every forward
    pass; `text` turns tokens into text; `stopping` says why the run is to stop, if it is. The first
    answers are on credit, since what they cost is only known afterwards.
    """

    def __init__(
        self,
        rows: list[Row],
        answer: Callable[[Callable[[], None]], list[list[int]]],
        text: Callable[[list[int]], str],
        emit: Callable[[Event], None],
        stopping: Callable[[], str | None],
        *,
        most_tokens: int,
        share: float,
    ) -> None:
        self._rows = rows
        self._answer, self._text = answer, text
        self._emit, self._stopping = emit, stopping
        self._most_tokens, self._share = most_tokens, share
        self._spent = 0.0
        self._last: tuple[int, float] | None = None
        self._asked: int | None = None
        self._times = 0
        self._skipping = False
        self._off = False

    @property
    def mean_seconds(self) -> float:
        """What an evaluation's answers have taken so far, those left out counted as nothing."""
        return self._spent / self._times if self._times else 0.0

    def take_base(self, said: list[Sample]) -> None:
        """Tell what the base model said to the rows: at step 0 they are not asked again."""
        for sample in said:
            self._emit(sample)
        self._asked = 0

    def sample(self, step: int, trained: float) -> float:
        """Answer the rows after `step`, when `trained` seconds of training bear it; the seconds
        that it took."""
        if self._off or step == self._asked:
            return 0.0
        self._times += 1
        if self._last is not None and not self._affordable(trained):
            self._skip(step, trained)
            return 0.0
        self._skipping = False
        self._asked = step
        started = time.monotonic()
        answers = self._answers(step, started)
        took = time.monotonic() - started
        self._spent += took
        self._last = (step, took)
        if answers is not None:
            for row, answer in zip(self._rows, answers, strict=True):
                cut, seconds = len(answer) == self._most_tokens, round(took / len(answers), 3)
                self._emit(row.said(self._text(answer), step=step, cut=cut, seconds=seconds))
        return time.monotonic() - started

    def _affordable(self, trained: float) -> bool:
        assert self._last is not None
        return self._spent + self._last[1] <= self._share * trained

    def _skip(self, step: int, trained: float) -> None:
        if self._skipping:
            return
        self._skipping = True
        assert self._last is not None
        before, took = self._last
        self._emit(
            Note(
                text=f"no sample answers at step {step}: those of step {before} took "
                f"{duration(took)}, and {100 * self._share:g} % of the {duration(trained)} trained "
                "do not bear them again yet (evaluation.sample_share)"
            )
        )

    def _answers(self, step: int, started: float) -> list[list[int]] | None:
        """Each row's answer; None when it took too long or there was no memory for it."""

        def between() -> None:
            elapsed = time.monotonic() - started
            if elapsed > LONGEST_SECONDS:
                raise _BrokenOff(f"they took over {duration(LONGEST_SECONDS)}")
            if elapsed > _SOON_SECONDS and (because := self._stopping()) is not None:
                raise _BrokenOff(f"the run is to stop, {because}")

        try:
            return self._answer(between)
        except _BrokenOff as why:
            self._emit(Note(text=f"no sample answers at step {step}: {why}"))
        except (MemoryError, RuntimeError) as error:
            # torch's errors of memory are RuntimeErrors. No look at answers is worth a training.
            self._off = True
            self._emit(
                Warned(
                    what=f"held-out rows could not be answered at step {step}",
                    why=(str(error).splitlines() or [type(error).__name__])[0],
                    cure="nothing: training goes on without them; --set sample_rows=0 asks none",
                )
            )
        return None


def sampler_of(job: Job, model: Any, resuming: bool) -> Sampler | None:
    """The sampler of a run, or None when its plan asks for no row or none fits the context.

    `model` is the one that is trained, not wrapped for several processes. What the base model said
    to the rows in this run's baseline is told as the answers of step 0, unless it is `resuming`.
    """
    from tunewright.engine.data.prepared import load_split
    from tunewright.engine.data.tokens import Renderer
    from tunewright.engine.prove.rows import drawn, fitting

    plan = job.session.plan
    assert plan is not None
    count, most_tokens, share = (_value(plan, key) for key in settings.SHOWN_ONLY)
    if not (count and most_tokens and share):
        return None
    _, held = load_split(job)
    renderer = Renderer.open(job.model_dir, job.session.inputs.data.date)
    measured = plan.settings.get("evaluation.rows")
    asked = drawn(
        len(held), len(held) if measured is None else measured.value, job.session.inputs.seed
    )
    # An answer and its prompt are no longer than what is trained, and no more of them at once than
    # rows of a micro-batch: with no gradients and one layer's activations their keys and values
    # stay below a step. Where activations are not kept a step has less above the weights.
    longest = min(
        plan.value("training.max_length"),
        getattr(model.config, "max_position_embeddings", None) or sys.maxsize,
    )
    at_once = plan.value("training.per_device_train_batch_size")
    if plan.value("training.activation_checkpointing"):
        at_once = 1
    rows = [
        _row(number, example, renderer.prompt_ids(example))
        for number, example in itertools.islice(
            fitting(renderer, held, asked, longest - most_tokens), count
        )
    ]
    if not rows:
        return None
    eos_ids = sorted(renderer.stop_ids)
    threads = _threads(job)

    def answer(between: Callable[[], None]) -> list[list[int]]:
        from tunewright.engine.prove.generate import greedy_answers

        with _random_states(job.device):
            return greedy_answers(
                model,
                [row.prompt for row in rows],
                eos_ids=eos_ids,
                max_new_tokens=most_tokens,
                batch_size=at_once,
                threads=threads,
                between_steps=between,
                trains_on=True,
            )

    def text(tokens: list[int]) -> str:
        decoded: str = renderer.tokenizer.decode(tokens, skip_special_tokens=True)
        return decoded

    sampler = Sampler(
        rows,
        answer,
        text,
        job.emit,
        job.orders.stop_requested,
        most_tokens=most_tokens,
        share=share,
    )
    baseline = None if resuming else job.load_result("baseline", Baseline)
    if baseline is not None and set(baseline.rows).issuperset(row.number for row in rows):
        sampler.take_base(_said(baseline, rows))
    return sampler


def _row(number: int, example: Example, prompt: list[int]) -> Row:
    *before, answer = example.messages
    asked = before[-1].content if before else ""
    return Row(number, prompt, asked, answer.content)


def _said(baseline: Baseline, rows: list[Row]) -> list[Sample]:
    """What the base model said to the rows, asked as they are asked here: without examples."""
    said, at = baseline.zero_shot, {number: i for i, number in enumerate(baseline.rows)}
    return [
        row.said(
            said.answers[at[row.number]],
            step=0,
            cut=said.answer_tokens[at[row.number]] == baseline.max_new_tokens,
        )
        for row in rows
    ]


def _value(plan: Plan, key: str) -> Any:
    """A setting, or nothing in a plan of before there was one."""
    decision = plan.settings.get(key)
    return None if decision is None else decision.value


def _threads(job: Job) -> Threads | None:
    """Threads that answers were found to be fastest with, else those of the training."""
    known = recorded_threads(job.run_dir / "results") | job.threads
    if job.device != "cpu" or "decode" not in known:
        return None
    return Threads(known.get("prefill", known["decode"]), known["decode"])


@contextlib.contextmanager
def _random_states(device: str) -> Iterator[None]:
    """Whatever is drawn meanwhile, what is drawn afterwards is what it would have been."""
    import numpy as np
    import torch

    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng([torch.cuda.current_device()] if device == "cuda" else []):
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
