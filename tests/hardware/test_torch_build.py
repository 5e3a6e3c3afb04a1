"""The torch build suits the driver and the GPUs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version
from stub_nvml import SCENARIOS, stub_environment

from tunewright.hardware.torch_build import torch_build

CU126 = "https://download.pytorch.org/whl/cu126"
CU130 = "https://download.pytorch.org/whl/cu130"


@pytest.mark.parametrize(
    ("cuda", "capabilities", "machine", "system", "index"),
    [
        ((13, 0), [(8, 9)], "x86_64", "Linux", None),
        ((13, 2), [(7, 5), (12, 0)], "x86_64", "Linux", None),
        ((13, 0), [None], "x86_64", "Linux", None),
        ((13, 0), [(7, 0)], "x86_64", "Linux", CU126),
        ((13, 0), [(6, 1), (8, 6)], "x86_64", "Linux", CU126),
        ((12, 8), [(9, 0)], "x86_64", "Linux", CU126),
        ((12, 2), [(8, 0)], "x86_64", "Linux", CU126),
        ((13, 0), [(9, 0)], "aarch64", "Linux", None),
        ((12, 6), [(9, 0)], "aarch64", "Linux", CU126),
        ((13, 0), [(8, 6)], "AMD64", "Windows", CU130),
        (None, [], "arm64", "Darwin", None),
        (None, [], "x86_64", "Linux", None),
        (None, [(8, 0)], "x86_64", "Linux", None),
    ],
)
def test_the_index_follows_driver_and_capability(
    cuda: tuple[int, int] | None,
    capabilities: list[tuple[int, int] | None],
    machine: str,
    system: str,
    index: str | None,
) -> None:
    build = torch_build(cuda, capabilities, machine, system)
    assert build.index_url == index
    assert build.because
    assert build.trouble is None


@pytest.mark.parametrize(
    ("cuda", "capability", "cure"),
    [
        ((11, 8), [(8, 0)], "update the NVIDIA driver"),
        ((12, 8), [(12, 0)], "update the NVIDIA driver"),
        ((12, 8), [(7, 0), (10, 0)], "update the NVIDIA driver"),
        ((13, 0), [(7, 0), (10, 0)], "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_where_no_build_suits_the_cure_is_named(
    cuda: tuple[int, int], capability: list[tuple[int, int]], cure: str
) -> None:
    build = torch_build(cuda, capability, "x86_64", "Linux")
    assert build.index_url is None
    assert build.trouble is not None
    assert cure in build.trouble.cure


def test_without_a_gpu_the_smaller_build_is_mentioned() -> None:
    assert "whl/cpu" in torch_build(None, [], "x86_64", "Linux").because


def test_pip_prefers_the_build_of_the_extra_index() -> None:
    assert Version("2.13.0+cu126") > Version("2.13.0")


@pytest.mark.skipif(sys.platform != "linux", reason="the stub is a Linux library")
@pytest.mark.parametrize(
    ("scenario", "arguments"),
    [
        ("none", ""),
        ("one_24gb", ""),
        ("two_one_lost", f"--extra-index-url {CU126}"),
        ("two_unlike", f"--extra-index-url {CU126}"),
        ("mismatch", ""),
    ],
)
def test_the_command_prints_arguments_for_pip_and_nothing_else(
    stub_library: Path, scenario: str, arguments: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tunewright.hardware.torch_build"],
        env=stub_environment(stub_library, SCENARIOS / f"{scenario}.txt"),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == arguments
    assert done.stderr.startswith("torch: ")
    assert ("reboot" in done.stderr) is (scenario in ("mismatch", "two_one_lost"))
