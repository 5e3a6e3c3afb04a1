"""The hardware room costs a command next to nothing to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODULES = (
    "errors", "snapshot", "shapes", "memory.estimate", "memory.training", "fit", "torch_build",
    "nvml", "host", "take", "live", "deadline", "capability", "unified",
    "catalogue", "whatif", "watch", "prices",
)  # fmt: skip
HEAVY = (
    "torch", "transformers", "trl", "peft", "datasets", "numpy", "tokenizers", "jinja2", "textual",
    "psutil", "pynvml", "subprocess", "importlib.metadata",
)  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_nothing_heavy_is_imported(module: str) -> None:
    code = f"import sys, tunewright.hardware.{module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-X", "frozen_modules=on", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    bare = subprocess.run(
        [sys.executable, "-c", "import sys, msgspec; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert not set(HEAVY) & (set(done.stdout.split()) - set(bare.stdout.split()))
