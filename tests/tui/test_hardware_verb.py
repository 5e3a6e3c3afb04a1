"""tunewright hardware: the real program on the stub driver; what it writes loads back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from live import PROGRAM
from stub_nvml import build_stub, compiler, stub_environment
from stub_nvml.machines import desktop, h100_box

from tunewright.hardware.snapshot import Snapshot

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if compiler() is None:
        pytest.skip("no C compiler (cc) to build the stub NVML")
    return build_stub(tmp_path_factory.mktemp("stub"))


@pytest.fixture
def environment(library: Path, tmp_path: Path) -> Callable[[str], dict[str, str]]:
    def play(scenario: str) -> dict[str, str]:
        path = tmp_path / "scenario.txt"
        path.write_text(scenario)
        return stub_environment(library, path) | {"TUNEWRIGHT_HOME": str(tmp_path / "home")}

    return play


@pytest.fixture
def program(environment: Callable[[str], dict[str, str]]) -> Program:
    """Runs it on a scenario; the exit code must be `code`."""

    def run(
        *words: str, machine: str = "driver 1\n", code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [PROGRAM, *words], env=environment(machine), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def test_a_box_is_shown_in_words_with_alike_devices_described_once(program: Program) -> None:
    told = program("hardware", machine=h100_box(8, busy=2)).stdout
    assert told.count("H100 80GB HBM3") == 8
    assert told.count("can       fp16, int8, bf16") < 8
    assert "held back by: power limit" in told
    assert "60.00 GiB" in told
    assert "N18 18 NVLinks" in told
    assert "disk      models:" in told
    assert "driver 580.65.06, CUDA 13.0" in told


def test_a_display_and_a_foreign_process_are_seen(program: Program) -> None:
    told = program("hardware", machine=desktop()).stdout
    assert "drives a display" in told
    assert "foreign" in told or os.getuid() == Path("/proc/1").stat().st_uid
    assert "the chipset does not support it" not in told


def test_what_it_writes_as_json_loads_back_and_is_planned_on(
    program: Program, tmp_path: Path
) -> None:
    written = program("hardware", "--json", machine=h100_box(8)).stdout
    file = tmp_path / "box.json"
    file.write_text(written)
    again = program("hardware", "--hardware", str(file), "--json").stdout
    before, after = (msgspec.json.decode(text, type=Snapshot) for text in (written, again))
    assert after == msgspec.structs.replace(before, simulated=True)
    assert len(after.gpus) == 8
    assert "SIM" in program("hardware", "--hardware", str(file)).stdout


def test_it_is_watched_once_a_second_until_it_is_left(
    environment: Callable[[str], dict[str, str]],
) -> None:
    watching = subprocess.Popen(
        [PROGRAM, "hardware", "--watch", "--json"],
        env=environment(h100_box(2)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert watching.stdout is not None
        readings = [
            msgspec.json.decode(watching.stdout.readline(), type=Snapshot) for _ in range(3)
        ]
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=30)
    finally:
        watching.kill()
    assert (watching.returncode, said) == (0, "")
    assert len({reading.taken_at for reading in readings}) == 3
    assert readings[2].taken_at - readings[0].taken_at > 1.5
    assert all(reading.gpus[1].activity is not None for reading in readings)


def test_the_catalogue_is_listed_with_its_sources(program: Program) -> None:
    assert "RTX 4090 24GB" in program("hardware", "--list").stdout
    parts = json.loads(program("hardware", "--list", "--json").stdout)
    assert len(parts) >= 80
    assert all(part["source"] and part["page"].startswith("https://") for part in parts)


def test_prices_are_the_persons_own(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('currency = "EUR"\n[prices."H100"]\nper_hour = 2.5\n')
    words = ("hardware", "--hardware", "8x H100 80GB", "--prices", str(file))
    assert "20.00 EUR an hour: 8x H100 SXM 80GB" in program(*words).stdout
    other = ("hardware", "--hardware", "T4", "--prices", str(file))
    assert "unknown: the price file has none" in program(*other).stdout
    bad = program("hardware", "--prices", str(tmp_path / "none"), code=2)
    assert "cannot read the prices" in bad.stderr


@pytest.mark.parametrize("spec", ["RTX 4095", "", "A100 80GB mig 9g.1gb", "missing.json"])
def test_a_machine_that_cannot_be_is_one_clear_message(program: Program, spec: str) -> None:
    done = program("hardware", "--hardware", spec, code=2)
    assert done.stdout == ""
    assert done.stderr.count("cure:") == 1
