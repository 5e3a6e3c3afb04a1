"""What fits, and into which memory."""

from __future__ import annotations

import msgspec
import pytest

from tunewright.hardware.fit import judge, training_memory
from tunewright.hardware.memory.estimate import MemoryEstimate
from tunewright.hardware.snapshot import Gpu, Host, Snapshot, Trouble

GIB = 1 << 30
HOST = Host("h", "cpu", 2, (), 32 * GIB, 20 * GIB)
ESTIMATE = MemoryEstimate((), 100, 80, 140, 150, ())


def gpu(index: int, free: int | None, **fields: object) -> Gpu:
    base = Gpu(index, None, "A100", 40 * GIB, free, None)
    return msgspec.structs.replace(base, **fields)


@pytest.mark.parametrize(
    ("free", "verdict"),
    [(151, "fits"), (150, "fits"), (149, "tight"), (100, "tight"), (99, "no"), (0, "no")],
)
def test_the_verdict_goes_by_safe_bound_and_expected_peak(free: int, verdict: str) -> None:
    assert judge(ESTIMATE, free) == verdict


def test_the_gpu_with_the_most_free_memory_is_taken_and_none_are_added_up() -> None:
    snapshot = Snapshot(0.0, HOST, (gpu(0, 10 * GIB), gpu(1, 30 * GIB), gpu(2, 20 * GIB)))
    device, free, because = training_memory(snapshot)
    assert (device, free) == ("cuda", 30 * GIB)
    assert "GPU 1" in because
    assert "30.0 GiB" in because


def test_without_a_gpu_the_available_ram_counts() -> None:
    device, free, because = training_memory(Snapshot(0.0, HOST))
    assert (device, free) == ("cpu", 20 * GIB)
    assert "20.0 GiB" in because


def test_the_reason_for_the_cpu_is_said() -> None:
    lost = Trouble("GPU 0 does not answer", "lost", "reboot")
    _, _, because = training_memory(Snapshot(0.0, HOST, gpu_trouble=lost))
    assert "GPU 0 does not answer" in because
    unknown = gpu(0, None, unknown={"free_bytes": "NVML says: Not Supported"})
    device, _, because = training_memory(Snapshot(0.0, HOST, (unknown,)))
    assert device == "cpu"
    assert "Not Supported" in because


def test_a_gpu_of_unknown_memory_does_not_hide_a_known_one() -> None:
    snapshot = Snapshot(0.0, HOST, (gpu(0, None), gpu(1, GIB)))
    assert training_memory(snapshot)[:2] == ("cuda", GIB)
