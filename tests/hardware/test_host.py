"""The host is read as far as this process may use it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from stub_nvml import SCENARIOS, stub_environment

from tunewright.hardware.host import (
    cpu_features,
    cpu_model,
    logout_kills,
    read_host,
    usable_cores,
)
from tunewright.hardware.snapshot import Snapshot, Trouble


def test_this_host_agrees_with_the_kernel() -> None:
    host = read_host()
    assert 1 <= host.cores <= (os.cpu_count() or 1)
    assert 0 < host.ram_available_bytes <= host.ram_total_bytes
    assert host.hostname
    assert host.cpu_model
    if sys.platform == "linux":
        assert host.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
        assert host.ram_total_bytes <= total


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_cores_follow_the_affinity_of_the_process() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from tunewright.hardware.host import read_host; print(read_host().cores)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("affinity", "quota", "cores"),
    [(8, None, 8), (8, 3.0, 3), (8, 2.9, 2), (8, 0.5, 1), (2, 64.0, 2)],
)
def test_cores_are_whole_ones_of_the_quota(affinity: int, quota: float | None, cores: int) -> None:
    assert usable_cores(affinity, quota) == cores


def test_only_features_that_change_numerics_are_kept_and_sorted() -> None:
    flags = (
        "fpu sse4_2 fma avx2 avx avx512f avx512_bf16 amx_bf16 amx_tile rdrand avx512vbmi".split()
    )
    assert cpu_features(flags) == (
        "amx_bf16",
        "amx_tile",
        "avx",
        "avx2",
        "avx512_bf16",
        "avx512f",
        "fma",
    )
    assert cpu_features(["fp", "asimd", "sve", "aes", "bf16", "svebf16"]) == (
        "asimd",
        "bf16",
        "sve",
        "svebf16",
    )


def test_the_cpu_model_is_found_or_unknown() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: AMD EPYC 7B13\n") == "AMD EPYC 7B13"
    assert cpu_model("processor\t: 0\nBogoMIPS\t: 50\n") is None
    assert cpu_model(None) is None


def test_logout_gives_a_reason_or_nothing() -> None:
    trouble = logout_kills()
    assert trouble is None or isinstance(trouble, Trouble)


def test_a_snapshot_joins_host_and_gpus(stub_library: Path) -> None:
    code = (
        "import msgspec, sys; from tunewright.hardware.take import take_snapshot;"
        "sys.stdout.write(msgspec.json.encode(take_snapshot()).decode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=stub_environment(stub_library, SCENARIOS / "two_one_lost.txt"),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    snapshot = msgspec.json.decode(done.stdout, type=Snapshot)
    assert [gpu.index for gpu in snapshot.gpus] == [0]
    assert snapshot.gpu_trouble is not None
    assert snapshot.driver_version == "570.86.15"
    assert snapshot.cuda_version == (12, 8)
    assert snapshot.host.hostname == read_host().hostname
    assert not snapshot.simulated
