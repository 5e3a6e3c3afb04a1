"""Published measurements: the aims of sizing, held on every row that is clear enough."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parent.parent / "bench"


@pytest.fixture(scope="module")
def answer() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, BENCH / "bench_sizing.py", "--json", "--rules"],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_training_peaks_are_within_six_percent_at_the_median(answer: dict[str, Any]) -> None:
    train = answer["train"]
    assert train["rows"] >= 160
    assert train["median_ape"] <= 0.06
    assert train["p90_ape"] <= 0.18
    assert abs(train["bias"]) <= 0.05


def test_the_safe_bound_covers_and_does_not_waste(answer: dict[str, Any]) -> None:
    assert answer["train"]["safe_coverage"] >= 0.95
    assert answer["train"]["safe_ratio_median"] <= 1.25


def test_serving_is_within_three_percent(answer: dict[str, Any]) -> None:
    assert answer["serve"]["rows"] >= 60
    assert answer["serve"]["median_ape"] <= 0.03


def test_no_family_of_ten_rows_is_far_off(answer: dict[str, Any]) -> None:
    for name, family in answer["families"].items():
        if family["rows"] >= 10:
            assert family["median_ape"] <= 0.12, name


def test_nobody_elses_rule_comes_near_on_the_training_rows(answer: dict[str, Any]) -> None:
    for name in ("quoted multipliers", "LLaMA-Factory's table"):
        peer = answer["peers"][name]
        assert peer["ours_median_ape"] <= peer["median_ape"] / 2, name


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "rows.jsonl"
    broken.write_text("{")
    done = subprocess.run(
        [sys.executable, BENCH / "bench_sizing.py", broken], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "rows.jsonl" in done.stderr


def test_published_throughput_is_mostly_inside_the_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    from sizing_speed import speed_summary, timed

    found = speed_summary(timed())
    assert found["rows"] >= 50
    assert found["median_ape"] <= 0.25
    assert found["inside_share"] >= 0.8
