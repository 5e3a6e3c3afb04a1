"""Held-out rows answered while a run trains: seen to change, and nothing that is trained does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jobs import build_job
from tiny import TinyData
from train_jobs import Run, Script

from tunewright.engine.plan import Decision
from tunewright.engine.run.events import Evaluated, Event, Note, Sample, Step, Warned
from tunewright.engine.run.job import Stopped
from tunewright.engine.train import samples
from tunewright.engine.train.samples import Row, Sampler

# On a model that takes milliseconds a step, answers are worth many times the training.
ANY_PRICE = {"evaluation.sample_share": 1e6}
OFF = {"evaluation.sample_rows": 0}


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("lora", {}),
        ("qlora", {}),
        ("full", {}),
        ("lora", {"training.activation_checkpointing": True}),
        ("lora", {"training.packing": True, "training.max_length": 128,
                  "training.per_device_train_batch_size": 1}),
    ],
    ids=["lora", "qlora", "full", "checkpointed", "packed"],
)  # fmt: skip
def test_what_is_trained_does_not_notice_that_rows_are_answered(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, method: str, more: dict[str, Any]
) -> None:
    without = Run(tmp_path / "without", tiny_model, tiny_data, method, more | OFF)
    without.train()
    with_ = Run(tmp_path / "with", tiny_model, tiny_data, method, more | ANY_PRICE)
    losses: dict[int, float | None] = {}
    steps: list[int | None] = []
    with pytest.raises(Stopped):
        with_.train(Script(stop_at=5))
    losses |= with_.losses
    steps += [event.step for event in with_.of(Sample)]
    with_.train()
    losses |= with_.losses
    steps += [event.step for event in with_.of(Sample)]

    assert without.of(Sample) == []
    evaluated = [event.step for event in without.of(Evaluated)]
    assert sorted(set(steps)) == sorted(set(evaluated))
    assert losses == without.losses
    artefact = (
        "model/model.safetensors" if method == "full" else "adapter/adapter_model.safetensors"
    )
    assert (with_.folder / artefact).read_bytes() == (without.folder / artefact).read_bytes()


def test_an_answer_is_that_of_the_model_at_its_step(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    fast = {"training.learning_rate": 2e-2, "training.num_train_epochs": 6}
    run = Run(tmp_path / "run", tiny_model, tiny_data, overrides=fast | ANY_PRICE)
    run.train()
    told = run.of(Sample)

    assert {event.row for event in told} == {0, 1}
    assert {event.stage for event in told} == {"train"}
    first, *_, last = [event for event in told if event.row == 0]
    assert first.step == 0
    assert last.step == max(run.losses)
    assert first.got != last.got
    assert (first.asked, first.want) == (last.asked, last.want)
    held = [json.loads(line) for line in tiny_data.eval.read_text().splitlines()]
    assert (first.asked, first.want) == (held[0]["prompt"], held[0]["completion"])
    assert all(event.seconds is not None and event.seconds >= 0 for event in told)
    # The weights of the last step, asked again from their file.
    assert last.got == _asked_again(run, tiny_model, last)


def test_what_the_base_model_said_in_the_baseline_is_the_answer_of_step_0(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    """The rows of the baseline, without the examples it was given, and not asked once more."""
    from tunewright.engine.prove import baseline
    from tunewright.engine.prove.baseline import Baseline

    settings = ANY_PRICE | {
        "evaluation.sample_rows": 2,
        "evaluation.sample_tokens": 8,
        "training.eval_steps": 2,
    }
    job = build_job(tmp_path / "measured", tiny_model, tiny_data)
    baseline.run(job)
    measured = job.load_result("baseline", Baseline)
    assert measured is not None
    assert measured.few_shot is not None
    run = Run(tmp_path / "measured", tiny_model, tiny_data, overrides=settings)
    # Fewer are measured than are held out: those that are asked are among them.
    assert run.session.plan is not None
    run.session.plan.settings["evaluation.rows"] = Decision(6, "as measured", "test")
    run.train(max_steps=2)
    events = run.of(Sample)
    at_0 = [event for event in events if event.step == 0]

    assert tuple(event.row for event in at_0) == measured.rows[:2]
    assert tuple(event.got for event in at_0) == measured.zero_shot.answers[:2]
    assert tuple(event.want for event in at_0) == measured.wants[:2]
    assert [event.seconds for event in at_0] == [None, None]
    assert {event.step for event in events} == {0, 2}


def _asked_again(run: Run, model: Path, sample: Sample) -> str:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from tunewright.engine.data.prepared import load_split
    from tunewright.engine.data.tokens import Renderer
    from tunewright.engine.prove.generate import greedy_answers

    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    folder = run.folder / "checkpoints" / f"checkpoint-{sample.step}"
    tuned = PeftModel.from_pretrained(base, folder)
    renderer = Renderer.open(model)
    prompt = renderer.prompt_ids(load_split(run.job(print))[1][sample.row])
    (answer,) = greedy_answers(
        tuned, [prompt], eos_ids=sorted(renderer.stop_ids), max_new_tokens=38, batch_size=1
    )
    text: str = renderer.tokenizer.decode(answer, skip_special_tokens=True)
    return text


def test_a_stage_of_before_they_were_decided_asks_none(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = Run(tmp_path / "run", tiny_model, tiny_data)
    assert run.session.plan is not None
    for key in samples.settings.SHOWN_ONLY:
        del run.session.plan.settings[key]
    run.train(max_steps=4)

    assert run.of(Evaluated)
    assert run.of(Sample) == []


class Clock:
    """A clock that tests set, in the place of the monotonic one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(samples, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def sampler(
    events: list[Event],
    answer: Any,
    share: float = 0.02,
    stopping: Callable[[], str | None] = lambda: None,
) -> Sampler:
    row = Row(3, [1, 2], "asked", "wanted")
    return Sampler([row], answer, str, events.append, stopping, most_tokens=4, share=share)


def test_answers_are_left_out_until_the_training_bears_them(clock: Clock) -> None:
    events: list[Event] = []

    def answer(between: Any) -> list[list[int]]:
        clock.now += 3.0
        return [[7]]

    asked = sampler(events, answer)
    taken = {step: asked.sample(step, step * 1.0) for step in range(0, 700, 50)}

    # 3 s on credit, then 6 s of answers after 300 s, and 9 s after 450 s.
    assert [step for step, seconds in taken.items() if seconds] == [0, 300, 450, 600]
    assert [e.step for e in events if isinstance(e, Sample)] == [0, 300, 450, 600]
    notes = [e.text for e in events if isinstance(e, Note)]
    assert [text.split(":")[0] for text in notes] == [
        "no sample answers at step 50",
        "no sample answers at step 350",
        "no sample answers at step 500",
        "no sample answers at step 650",
    ]
    assert "those of step 0 took 3 s, and 2 % of the 50 s trained" in notes[0]
    assert asked.mean_seconds == pytest.approx(12 / 14)


def test_answers_that_take_too_long_are_broken_off(clock: Clock) -> None:
    events: list[Event] = []

    def answer(between: Any) -> list[list[int]]:
        while True:
            clock.now += 7.0
            between()

    asked = sampler(events, answer)
    assert asked.sample(10, 1000.0) == 35.0
    assert asked.sample(20, 2000.0) == 0.0
    assert [e.text.partition(":")[2][:20] for e in events if isinstance(e, Note)] == [
        " they took over 30 s",
        " those of step 10 to",
    ]


def test_who_stops_the_run_does_not_wait_for_answers(clock: Clock) -> None:
    events: list[Event] = []

    def answer(between: Any) -> list[list[int]]:
        while True:
            clock.now += 1.0
            between()

    asked = sampler(events, answer, stopping=lambda: "asked")
    assert asked.sample(10, 1000.0) == 3.0
    (note,) = events
    assert isinstance(note, Note)
    assert note.text == "no sample answers at step 10: the run is to stop, asked"


def test_no_memory_for_answers_is_told_once_and_ends_no_training(clock: Clock) -> None:
    events: list[Event] = []

    def answer(between: Any) -> list[list[int]]:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    asked = sampler(events, answer, share=1e6)
    asked.sample(10, 1.0)
    asked.sample(20, 2.0)
    (warned,) = events
    assert isinstance(warned, Warned)
    assert warned.why == "CUDA out of memory. Tried to allocate 2 GiB"
    assert "sample_rows=0" in warned.cure


def test_the_pace_and_the_time_left_know_the_answers_apart(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(self: Sampler, step: int, trained: float) -> float:
        return 1000.0

    monkeypatch.setattr(Sampler, "sample", slow)
    monkeypatch.setattr(Sampler, "mean_seconds", 1000.0)
    run = Run(tmp_path / "run", tiny_model, tiny_data)
    run.train()
    steps = run.of(Step)

    # Evaluations at 4, 8 and 12: two are left after step 4, none after step 12.
    assert steps[3].eta_seconds is not None
    assert 2000.0 <= steps[3].eta_seconds < 3000.0
    assert steps[-1].eta_seconds == 0.0
