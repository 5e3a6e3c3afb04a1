"""make check-gpu says what it checked, and on a machine without a GPU that it checked nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from stub_nvml import stub_environment
from stub_nvml.machines import MIB, desktop, h100_box

SCRIPT = Path(__file__).parents[1] / "gpu" / "check.py"


def check(library: Path, folder: Path, scenario: str, *, smi: str = "") -> tuple[int, str]:
    """Run the script on a scenario, with an nvidia-smi that prints `smi`."""
    path = folder / "scenario.txt"
    path.write_text(scenario)
    environment = stub_environment(library, path)
    if smi:
        program = folder / "nvidia-smi"
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{smi}\nEND\n")
        program.chmod(0o755)
        environment["PATH"] = f"{folder}:{environment['PATH']}"
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def test_without_a_gpu_it_says_so_and_is_no_failure(stub_library: Path, tmp_path: Path) -> None:
    code, told = check(stub_library, tmp_path, "driver 1\n")
    assert code == 0
    assert "skipped" in told
    code, told = check(stub_library, tmp_path, "init 18\n\n")
    assert code == 0
    assert "reboot" in told


def test_it_holds_the_driver_against_nvidia_smi_and_the_catalogue(
    stub_library: Path, tmp_path: Path
) -> None:
    row = "0, GPU-5a1f0000-0000-0000-0000-000000000000, {}, 81559, 00000000:17:00.0"
    code, told = check(stub_library, tmp_path, h100_box(1), smi=row.format("NVIDIA H100 80GB HBM3"))
    assert "| GPU 0 free + used + reserved = total, MiB | 81559 | 81559 | holds |" in told
    assert "| GPU 0 total memory as in the catalogue, MiB | 81559 | 81559 | holds |" in told
    assert "| GPU 0 bus as nvidia-smi | 00000000:17:00.0 | 00000000:17:00.0 | holds |" in told
    # No CUDA here: said, and not counted as a difference.
    assert "by UUID in CUDA |  | torch" in told
    assert (code, " 0 differ" in told) == (0, True)

    code, told = check(stub_library, tmp_path, h100_box(1), smi=row.format("NVIDIA H200"))
    assert "| GPU 0 name as nvidia-smi | NVIDIA H200 | NVIDIA H100 80GB HBM3 | differs |" in told
    assert (code, " 1 differ" in told) == (1, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("capability 8 6", "capability 8 9"), "capability as in the catalogue"),
        ((f"memory {24576 * MIB}", f"memory {22000 * MIB}"), "total memory as in the catalogue"),
    ],
)
def test_what_is_not_as_assumed_differs(
    stub_library: Path, tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    code, told = check(stub_library, tmp_path, desktop().replace(*change, 1))
    assert code == 1
    (row,) = [line for line in told.splitlines() if said in line and "differs" in line]
    assert row.startswith("| GPU 0 ")
