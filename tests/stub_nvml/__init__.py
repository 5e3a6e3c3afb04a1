"""Builds the stub driver library, and the environment in which nvidia-ml-py loads it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("nvml.c")
SCENARIOS = Path(__file__).with_name("scenarios")
# Programs for a fresh process that loads the stub, each writing JSON.
READ = (
    "import msgspec, sys; from tunewright.hardware.nvml import read_gpus;"
    "sys.stdout.write(msgspec.json.encode(read_gpus()).decode())"
)
SNAPSHOT = (
    "import msgspec, sys; from tunewright.hardware.take import take_snapshot;"
    "sys.stdout.write(msgspec.json.encode(take_snapshot()).decode())"
)


def compiler() -> str | None:
    """The C compiler, or None where there is none."""
    return shutil.which("cc") or shutil.which("gcc")


def build_stub(folder: Path, *, old_driver: bool = False) -> Path:
    """Compile libnvidia-ml.so.1 into `folder`; CalledProcessError with the compiler's words.

    An `old_driver` lacks the symbols that drivers before 450 lack.
    """
    library = folder / "libnvidia-ml.so.1"
    command = [str(compiler()), "-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
    command += ["-DOLD_DRIVER"] if old_driver else []
    subprocess.run([*command, "-o", str(library), str(SOURCE)], check=True)
    return library


def stub_environment(library: Path, scenario: Path, log: Path | None = None) -> dict[str, str]:
    """Variables for a process whose NVML is the stub, playing `scenario`."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("CUDA_", "STUB_"))
    }
    path = os.pathsep.join(filter(None, (str(library.parent), os.environ.get("LD_LIBRARY_PATH"))))
    environment |= {"LD_LIBRARY_PATH": path, "STUB_NVML": str(scenario)}
    if log is not None:
        environment["STUB_NVML_LOG"] = str(log)
    return environment
