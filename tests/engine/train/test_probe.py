"""The probe: two real steps on the longest rows, and what later plans make of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tiny import TinyData
from train_jobs import FACTS, Run, Script

from tunewright.engine.measured_peaks import read_measured
from tunewright.engine.pace import machine_of, pace_of, pace_words
from tunewright.engine.run.events import Memory, Progress
from tunewright.engine.run.job import Stopped
from tunewright.engine.train.probe import ProbeResult, longest_rows
from tunewright.hardware.memory.calibration import MeasuredSpeed


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path, tiny_data: TinyData
) -> Run:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Run(tmp_path / "run", tiny_model, tiny_data)
    made.record(FACTS)
    return made


def probe(run: Run, orders: Script | None = None) -> None:
    from tunewright.engine.train.probe import run as stage

    run.events = []
    stage(run.job(run.events.append, orders))


def longest_of(run: Run) -> int:
    """Tokens of the longest row, by our own renderer."""
    from tunewright.engine.data.prepared import load_split
    from tunewright.engine.data.tokens import Renderer

    rows, _ = load_split(run.job(lambda _: None))
    renderer = Renderer.open(run.model, None)
    return max(len(renderer.tokenize(row, "completion").input_ids) for row in rows)


def test_the_longest_rows_make_the_batch() -> None:
    assert longest_rows([3, 9, 5, 9, 1], 3) == [1, 3, 2]
    assert longest_rows([4, 7], 5) == [1, 0, 1, 0, 1]


def test_two_steps_are_measured_and_later_plans_go_by_them(run: Run) -> None:
    probe(run)

    found = run.job(lambda _: None).load_result("probe", ProbeResult)
    assert found is not None
    assert (found.steps, found.rows, found.micro_batches) == (2, 4, 2)
    assert found.longest == longest_of(run)
    assert found.measured_peak_bytes > 50 << 20
    assert found.tokens_per_second > 0
    assert [event.done for event in run.of(Progress)] == [1, 2]
    (told,) = run.of(Memory)
    assert told.measured_bytes == found.measured_peak_bytes
    assert told.predicted_bytes == found.predicted_peak_bytes
    # Nothing of it is kept as a result of training.
    assert not (run.folder / "adapter").exists()
    assert not (run.folder / "probe").exists()

    (row,) = read_measured()
    assert row.speed is not None
    assert row.speed.tokens_per_second == found.tokens_per_second
    assert row.measured_bytes == found.measured_peak_bytes
    plan, recorded = run.session.plan, run.session.recorded
    assert plan is not None
    assert recorded is not None
    before = pace_of(plan, recorded)
    assert before is not None
    assert not before.measured
    assert "not measured" in pace_words(before)
    after = pace_of(plan, msgspec.structs.replace(recorded, peaks=(row,)))
    assert after is not None
    assert after.measured
    rate = after.speed.tokens_per_second.expected
    # The rows of the plan are longer than those of the probe: the rate follows the FLOPs.
    assert rate == pytest.approx(found.tokens_per_second, rel=0.1)
    assert pace_words(after).endswith("; measured")


def test_a_probe_of_another_model_or_machine_says_nothing(run: Run) -> None:
    from tunewright.hardware.memory.calibration import Measured, key_of

    plan, recorded = run.session.plan, run.session.recorded
    assert plan is not None
    assert recorded is not None
    key = key_of("lora", recorded.model.model_type, "cpu", recorded.environment.packages)
    here = MeasuredSpeed(500.0, recorded.model.parameters, 56, 4, machine_of(plan, recorded))
    replace = msgspec.structs.replace
    for speed, measured in (
        (here, True),
        (replace(here, machine="another"), False),
        (replace(here, parameters=7), False),
    ):
        row = Measured(key, 1, 1, "host rss", "run", 1.0, speed)
        pace = pace_of(plan, replace(recorded, peaks=(row,)))
        assert pace is not None
        assert pace.measured is measured


def test_a_stop_between_the_steps_is_obeyed_and_leaves_no_figure(run: Run) -> None:
    with pytest.raises(Stopped):
        probe(run, Script(stop_at=0))
    assert run.job(lambda _: None).load_result("probe", ProbeResult) is None
    assert not read_measured()
