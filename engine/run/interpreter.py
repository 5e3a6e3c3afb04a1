"""The person's own interpreter for the workers (`--python`), looked at before anything starts."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tunewright.hardware.errors import Problem

# A conda environment on a cold network disk starts slowly.
PATIENCE_SECONDS = 60.0

# Looks and does not import: torch alone takes seconds.
_LOOK = """
import sys
from importlib.util import find_spec
def found(name):
    try:
        return find_spec(name) is not None
    except ImportError:
        return False
print("missing:", *[name for name in sys.argv[1:] if not found(name)])
"""


def check_python(python: str, packages: Sequence[str], environment: dict[str, str]) -> str:
    """The absolute path of an interpreter that can run a worker in `environment`.

    A `Problem` when there is none, or when it lacks Tunewright or one of `packages`. Symbolic
    links stay: the one in a virtual environment is what makes it one.
    """
    # As it was typed: without its "./" a file beside us would be looked for on the PATH.
    named = str(Path(python).expanduser()) if python.startswith("~") else python
    found = shutil.which(named)
    if found is None:
        raise Problem(
            f"--python {python} is no interpreter",
            why="it cannot be executed" if Path(named).exists() else "there is no such file",
            cure="name the python of an environment that has tunewright[train], e.g. "
            "--python ~/env/bin/python",
        )
    path = Path(found).absolute()
    # `python -m tunewright.engine.run.worker` will start from "/" too.
    try:
        looked = subprocess.run(
            [str(path), "-c", _LOOK, "tunewright.engine", "msgspec", *packages],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            cwd="/",
            env=environment,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _no_python(python, str(error)) from error
    _, answered, missing = looked.stdout.rpartition("missing:")
    if looked.returncode != 0 or not answered:
        said = (looked.stderr.strip().splitlines() or [f"exit code {looked.returncode}"])[-1]
        raise _no_python(python, said)
    names = ["tunewright" if name == "tunewright.engine" else name for name in missing.split()]
    if names:
        raise Problem(
            f"--python {python} cannot run a worker",
            why=f"it lacks {', '.join(names)}",
            cure=f"{path} -m pip install 'tunewright[train]'",
        )
    return str(path)


def _no_python(python: str, why: str) -> Problem:
    return Problem(
        f"--python {python} does not run as an interpreter",
        why=why,
        cure=f"see what it says: {python} -c 'import torch'",
    )


def worker_environment() -> dict[str, str]:
    """The environment variables that a supervisor, and so its workers, start with."""
    environment = dict(os.environ)
    if "TUNEWRIGHT_HOME" in environment:
        home = Path(environment["TUNEWRIGHT_HOME"]).expanduser().absolute()
        environment["TUNEWRIGHT_HOME"] = str(home)
    # Models are resolved to local folders before launch: nothing in a run asks a hub.
    environment["HF_HUB_OFFLINE"] = "1"
    environment["TOKENIZERS_PARALLELISM"] = "false"
    return environment
