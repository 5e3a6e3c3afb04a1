"""A session replayed gives the same decisions, plan and losses; a difference is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jobs import build_job
from live import Live, until_ended, until_step
from tiny import TinyData

from tunewright.engine.planner import make_plan
from tunewright.engine.replay import (
    compare_results,
    environment_differences,
    plan_differences,
)
from tunewright.engine.session import Environment, Expectation, Recorded
from tunewright.engine.train.rules.samples import SHOWN_ONLY

HERE = Environment("3.11", "linux x86_64", {"torch": "2.13.0"}, ("avx2",), {"train": 2})
EXPECT = Expectation(
    steps=(1, 2, 3),
    losses=(3.0, 2.0, 1.0),
    eval_losses={"3": 1.5},
    figures={"evaluate": {"exact": 0.8}},
)


def recorded(environment: Environment = HERE) -> Recorded:
    # The machine, the data and the model play no part in comparing results.
    nothing: Any = None
    return Recorded(nothing, environment, nothing, nothing, EXPECT)


def changed(**fields: Any) -> Expectation:
    return msgspec.structs.replace(EXPECT, **fields)


def test_equal_results_in_an_equal_environment_are_equal_digit_for_digit() -> None:
    comparison = compare_results(recorded(), EXPECT, HERE)
    assert comparison.equal
    assert comparison.tolerance is None
    assert comparison.compared == "3 losses, 1 evaluations, 1 figures"


def test_the_last_digit_counts_and_the_first_differing_step_is_named() -> None:
    got = changed(losses=(3.0, 2.0000001, 1.0))
    comparison = compare_results(recorded(), got, HERE)
    assert not comparison.equal
    assert comparison.differences[0].where == "loss at step 2"
    assert "equal up to step 1" in comparison.causes[0]


def test_a_first_step_that_differs_points_at_weights_rows_or_order() -> None:
    comparison = compare_results(recorded(), changed(losses=(3.1, 2.0, 1.0)), HERE)
    assert "weights, the rows or their order" in comparison.causes[0]


def test_another_environment_is_named_and_gives_a_stated_tolerance() -> None:
    other = msgspec.structs.replace(
        HERE, packages={"torch": "2.14.0"}, threads={"train": 1}, cpu_features=("avx2", "avx512f")
    )
    comparison = compare_results(recorded(), changed(losses=(3.01, 2.0, 1.0)), other)
    assert comparison.equal
    assert comparison.tolerance is not None
    told = " ".join(comparison.causes)
    assert "torch: 2.13.0 -> 2.14.0" in told
    assert "threads (train): 2 -> 1" in told
    assert "avx512f" in told
    far = compare_results(recorded(), changed(losses=(4.0, 2.0, 1.0)), other)
    assert not far.equal


def test_missing_and_added_steps_and_figures_are_differences_of_a_whole_replay() -> None:
    short = changed(steps=(1, 2), losses=(3.0, 2.0), eval_losses={})
    assert not compare_results(recorded(), short, HERE).equal
    part = compare_results(recorded(), short, HERE, whole=False)
    assert part.equal
    assert part.compared.startswith("2 losses")
    figures = changed(figures={"evaluate": {"exact": 0.7}})
    assert not compare_results(recorded(), figures, HERE).equal


def test_equal_environments_differ_in_nothing() -> None:
    assert environment_differences(HERE, HERE) == ()


def replayed(live: Live, session: Path, *more: str, code: int = 0) -> str:
    return live("--replay", str(session), *more, code=code).stderr


def test_another_gpu_is_a_cause_and_gives_a_tolerance() -> None:
    had = msgspec.structs.replace(HERE, device="NVIDIA A100, capability 8.0, driver 550")
    has = msgspec.structs.replace(HERE, device="NVIDIA H100, capability 9.0, driver 580")
    comparison = compare_results(recorded(had), changed(losses=(3.0, 2.0001, 1.0)), has)
    assert comparison.equal
    assert comparison.tolerance is not None
    assert comparison.causes == (f"GPU: {had.device} -> {has.device}",)


def test_a_cpu_of_another_model_is_named_when_digits_differ_without_another_cause() -> None:
    had = msgspec.structs.replace(HERE, cpu_model="EPYC")
    has = msgspec.structs.replace(HERE, cpu_model="Xeon")
    assert compare_results(recorded(had), EXPECT, has).causes == ()
    comparison = compare_results(recorded(had), changed(losses=(3.0, 2.0001, 1.0)), has)
    assert not comparison.equal
    assert "CPU model: EPYC -> Xeon" in comparison.causes


def test_a_plan_of_before_answers_were_shown_in_training_is_the_same_plan(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    """What only shows how a run goes makes no other run; once recorded it counts."""
    job = build_job(tmp_path, tiny_model, tiny_data)
    recorded_then, inputs = job.session.recorded, job.session.inputs
    assert recorded_then is not None
    now = make_plan(inputs, recorded_then)
    settings = {k: v for k, v in now.settings.items() if k not in SHOWN_ONLY}
    assert len(settings) == len(now.settings) - 3
    before = msgspec.structs.replace(now, settings=settings)
    assert plan_differences(before, now) == ()
    fewer = msgspec.structs.replace(inputs, overrides={"sample_rows": 1})
    (value, *_) = plan_differences(now, make_plan(fewer, recorded_then))
    assert value.where == "plan.settings.evaluation.sample_rows.value"


@pytest.mark.slow
def test_a_tiny_session_replayed_twice_is_equal_and_a_changed_one_is_not(
    live: Live, tmp_path: Path
) -> None:
    path = tmp_path / "session.json"
    words = live.words("--dry-run", "--save", str(path), steps=20, stages="train,evaluate,merge")
    live(*words)
    assert "recorded in" in replayed(live, path)
    assert "equal, digit for digit" in replayed(live, path)
    assert "10 losses" in replayed(live, path, "--max-steps", "10", "--stages", "train")
    runs = json.loads(live("runs", "--json").stdout)
    assert "equal, digit for digit" in replayed(live, Path(runs[0]["path"]))
    compared = live("runs", "compare", runs[0]["id"], runs[1]["id"]).stdout
    assert "0 differences in the plan" in compared
    assert "figures: equal" in compared
    value = json.loads(path.read_text())
    value["recorded"]["expect"]["losses"][7] += 1e-9
    path.write_text(json.dumps(value))
    told = replayed(live, path, code=5)
    assert "loss at step 8" in told
    assert "equal up to step 7" in told


@pytest.mark.slow
def test_the_real_demo_model_replays_digit_for_digit(live: Live, tmp_path: Path) -> None:
    live.environment["TUNEWRIGHT_HOME"] = str(tmp_path / "home")
    path = tmp_path / "session.json"
    settings = (
        "max_steps=4",
        "per_device_train_batch_size=4",
        "eval_strategy=no",
        "load_best_model_at_end=false",
        "evaluation.rows=4",
        "shots=1",
    )
    chosen = [word for setting in settings for word in ("--set", setting)]
    live("train", "demo:smollm2-135m-instruct", "demo:orders", *chosen, "--dry-run",
         "--save", str(path))  # fmt: skip
    assert "recorded in" in replayed(live, path)
    assert "equal, digit for digit" in replayed(live, path)


@pytest.mark.slow
def test_an_unfinished_run_is_compared_as_far_as_it_came(live: Live) -> None:
    run = live.launch(steps=60)
    until_step(run, 12)
    live("stop", run.read_record().id)
    assert until_ended(run) == "stopped"
    told = replayed(live, run.path)
    assert "the recorded run is stopped" in told
    assert "equal, digit for digit" in told
