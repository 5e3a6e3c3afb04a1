"""Baseline and evaluation: the same rows before and after, with intervals, and orders obeyed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jobs import FACTS, GivenOrders, build_job, write_adapter
from tiny import TinyData

from tunewright.engine.prove import baseline, evaluate
from tunewright.engine.prove.baseline import Baseline
from tunewright.engine.prove.evaluate import Evaluation
from tunewright.engine.prove.threads import fastest
from tunewright.engine.run.events import Event, Progress, Sample
from tunewright.engine.run.job import Stopped


@pytest.fixture(scope="module")
def proven(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: TinyData
) -> tuple[Path, list[Event]]:
    """A run directory with both stages done, and what they said."""
    run_dir = tmp_path_factory.mktemp("run")
    write_adapter(tiny_model, run_dir / "adapter")
    events: list[Event] = []
    job = build_job(run_dir, tiny_model, tiny_data, events=events)
    baseline.run(job)
    evaluate.run(job)
    return run_dir, events


@pytest.fixture
def results(
    proven: tuple[Path, list[Event]], tiny_model: Path, tiny_data: TinyData
) -> tuple[Baseline, Evaluation]:
    job = build_job(proven[0], tiny_model, tiny_data)
    before, after = job.load_result("baseline", Baseline), job.load_result("evaluate", Evaluation)
    assert before is not None
    assert after is not None
    return before, after


def test_both_stages_ask_the_same_held_out_rows(
    results: tuple[Baseline, Evaluation], tiny_data: TinyData
) -> None:
    before, after = results
    held = [json.loads(line)["completion"] for line in tiny_data.eval.read_text().splitlines()]
    assert before.rows == after.rows
    assert len(before.rows) == 6
    assert before.wants == after.wants == tuple(held[row] for row in before.rows)
    assert before.few_shot is not None
    assert before.few_shot.shots == 2
    assert before.few_shot.shared_tokens > before.zero_shot.shared_tokens


def test_the_adapter_answers_unlike_its_base(results: tuple[Baseline, Evaluation]) -> None:
    before, after = results
    assert after.tuned.answers != before.zero_shot.answers
    assert after.likelihood.nats_per_token != before.likelihood.nats_per_token
    assert before.likelihood.row_tokens == after.likelihood.row_tokens


def test_a_random_model_gets_nothing_right_and_is_told_so_honestly(
    results: tuple[Baseline, Evaluation],
) -> None:
    before, after = results
    assert before.zero_shot.exact.mean == 0
    assert before.zero_shot.exact.high > 0.3, "6 rows cannot show that the rate is 0"
    assert after.comparison is not None
    assert after.comparison.outcome == "no difference shown"
    assert after.comparison.exact.p_value == 1.0
    assert "no difference shown" in after.verdict
    assert before.verdict.startswith("base zero-shot 0.0 % [0, 46] exact")


def test_progress_reaches_the_end_and_every_row_is_shown(
    proven: tuple[Path, list[Event]],
) -> None:
    _, events = proven
    for stage, passes in (("baseline", 3), ("evaluate", 2)):
        progress = [e for e in events if isinstance(e, Progress) and e.stage == stage]
        assert [e.done for e in progress][-1] == progress[-1].total == 6 * passes
        assert progress[-1].eta_seconds == 0
        samples = [e for e in events if isinstance(e, Sample) and e.stage == stage]
        assert len({sample.row for sample in samples}) == 6


def test_figures_for_replays_are_plain_numbers(results: tuple[Baseline, Evaluation]) -> None:
    before, after = results
    assert set(before.figures) == {
        "zero_shot_exact", "zero_shot_f1", "zero_shot_valid",
        "few_shot_exact", "few_shot_f1", "few_shot_valid", "nats_per_token",
    }  # fmt: skip
    assert set(after.figures) == {"exact", "f1", "valid", "nats_per_token"}


def test_a_second_run_gives_the_same_answers_and_figures(
    results: tuple[Baseline, Evaluation], tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    job = build_job(tmp_path / "again", tiny_model, tiny_data)
    baseline.run(job)
    again = job.load_result("baseline", Baseline)
    assert again is not None
    assert again.figures == results[0].figures
    assert again.zero_shot.answers == results[0].zero_shot.answers


@pytest.mark.parametrize("looks", [0, 3, 20])
def test_a_stop_is_obeyed_in_every_part_and_leaves_no_result(
    looks: int, tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    job = build_job(tmp_path, tiny_model, tiny_data, orders=GivenOrders(stop_after=looks))
    with pytest.raises(Stopped):
        baseline.run(job)
    assert not (tmp_path / "results" / "baseline.json").exists()


def test_without_examples_the_base_is_measured_zero_shot_only(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    job = build_job(tmp_path, tiny_model, tiny_data, settings={"evaluation.shots": 0})
    baseline.run(job)
    result = job.load_result("baseline", Baseline)
    assert result is not None
    assert result.few_shot is None
    assert result.best() is result.zero_shot


def test_without_a_baseline_nothing_is_claimed(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    write_adapter(tiny_model, tmp_path / "adapter")
    job = build_job(tmp_path, tiny_model, tiny_data)
    evaluate.run(job)
    result = job.load_result("evaluate", Evaluation)
    assert result is not None
    assert result.comparison is None
    assert "not measured" in result.verdict


def test_threads_are_probed_once_and_recorded(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    job = build_job(tmp_path, tiny_model, tiny_data, threads={})
    baseline.run(job)
    recorded = json.loads((tmp_path / "results" / "threads.json").read_text())
    first = job.load_result("baseline", Baseline)
    assert first is not None
    assert first.threads is not None
    assert recorded == {"decode": first.threads.decode, "prefill": first.threads.prefill}
    write_adapter(tiny_model, tmp_path / "adapter")
    evaluate.run(job)
    second = job.load_result("evaluate", Evaluation)
    assert second is not None
    assert second.threads is not None
    assert (second.threads.decode, second.threads.prefill) == tuple(recorded.values())
    assert "recorded" in second.threads.because


def test_more_threads_have_to_be_clearly_faster() -> None:
    assert fastest({1: 1.0, 2: 0.97}) == 1
    assert fastest({1: 1.0, 2: 0.6, 8: 0.59}) == 2
    assert fastest({1: 1.0, 2: 12.0, 8: 0.5}) == 8


def test_the_facts_of_this_fixture_are_those_of_the_data(tiny_data: TinyData) -> None:
    assert len(tiny_data.train.read_text().splitlines()) == FACTS.rows
    assert len(tiny_data.eval.read_text().splitlines()) == FACTS.eval_rows
