"""Measured peaks and probed thread counts are those of this process and this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tunewright.engine.train.peak import host_peak_bytes, reset_host_peak
from tunewright.engine.train.threads import fastest_threads, record_threads, recorded_threads

MIB = 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is reset through /proc")
def test_the_peak_is_of_what_was_held_since_the_reset() -> None:
    reset_host_peak()
    before = host_peak_bytes()
    block = bytearray(b"\1") * (128 * MIB)
    with_block = host_peak_bytes()
    del block
    kept = host_peak_bytes()
    reset_host_peak()
    after = host_peak_bytes()

    assert with_block - before >= 120 * MIB
    # The kernel counts pages in batches per core.
    assert kept >= with_block - MIB
    assert after <= with_block - 100 * MIB


def test_the_thread_count_that_works_fastest_is_taken() -> None:
    def best_at(wanted: int) -> int:
        return fastest_threads(
            4, lambda count: sum(range(20_000 if count == wanted else 400_000)) and None
        )

    assert [best_at(count) for count in (1, 2, 4)] == [1, 2, 4]


def test_one_core_needs_no_probe() -> None:
    tried: list[int] = []

    assert fastest_threads(1, tried.append) == 1
    assert tried == []


def test_what_other_stages_recorded_is_kept(tmp_path: Path) -> None:
    results = tmp_path / "results"
    assert recorded_threads(results) == {}
    record_threads(results, "decode", 1)
    record_threads(results, "train", 2)

    assert recorded_threads(results) == {"decode": 1, "train": 2}
