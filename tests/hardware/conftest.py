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
from stub_nvml import READ, SCENARIOS, build_stub, compiler, stub_environment


@pytest.fixture(scope="session")
def stub_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built stub; without a C compiler the tests skip, and fail under CI=true."""
    if compiler() is None:
        message = "no C compiler (cc) to build the stub NVML"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return build_stub(tmp_path_factory.mktemp("stub_nvml"))


@pytest.fixture(scope="session")
def old_stub_library(tmp_path_factory: pytest.TempPathFactory, stub_library: Path) -> Path:
    """The stub without the symbols that an old driver lacks."""
    return build_stub(tmp_path_factory.mktemp("old_stub_nvml"), old_driver=True)


@pytest.fixture
def read_stub(stub_library: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Call it with a scenario (its name, or its text) and variables: what `read_gpus` returns in a
    fresh process that loads the stub through the real nvidia-ml-py. `code` runs something else that
    writes JSON, `library` is another build of the stub."""

    def read(
        scenario: str, *, code: str = READ, library: Path = stub_library, **variables: str
    ) -> dict[str, Any]:
        path = SCENARIOS / f"{scenario}.txt"
        if "\n" in scenario:
            path = tmp_path / "scenario.txt"
            path.write_text(scenario)
        environment = stub_environment(library, path, tmp_path / "calls") | variables
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return read
