"""Fixtures of the hardware room: a driver library that plays any machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stub_nvml import SCENARIOS, build_stub, compiler, stub_environment

READ = (
    "import msgspec, sys; from tunewright.hardware.nvml import read_gpus;"
    "sys.stdout.write(msgspec.json.encode(read_gpus()).decode())"
)


@pytest.fixture(scope="session")
def stub_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built stub; without a C compiler the tests skip, and fail under CI=true."""
    if compiler() is None:
        message = "no C compiler (cc) to build the stub NVML"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return build_stub(tmp_path_factory.mktemp("stub_nvml"))


@pytest.fixture
def read_stub(stub_library: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Call it with a scenario (its name, or its text) and variables: what `read_gpus` returns in a
    fresh process that loads the stub through the real nvidia-ml-py."""

    def read(scenario: str, **variables: str) -> dict[str, Any]:
        path = SCENARIOS / f"{scenario}.txt"
        if "\n" in scenario:
            path = tmp_path / "scenario.txt"
            path.write_text(scenario)
        environment = stub_environment(stub_library, path, tmp_path / "calls") | variables
        done = subprocess.run(
            [sys.executable, "-c", READ],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return read
