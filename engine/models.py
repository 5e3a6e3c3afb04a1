"""Models that are on this machine: found by looking, described without loading a weight."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from tunewright.engine.demo.smollm2 import demo_model_at
from tunewright.engine.model import (
    DEMO_MODEL,
    check_model_folder,
    hub_cache,
    hub_snapshot,
    resolve_model,
)
from tunewright.engine.run.rundir import known_runs
from tunewright.engine.ship.files import folder_bytes
from tunewright.hardware.errors import Problem
from tunewright.hardware.shapes import ModelShape, read_shape

Where = Literal["session", "demo", "folder", "hub", "run"]

# A home directory on a cluster can hold millions of files; models lie near its top or nowhere.
MOST_FOLDERS = 2000
_DEPTH = 2
_SKIPPED = {"node_modules", "__pycache__", "site-packages", "venv", "proc", "sys"}
_WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".pt", ".pth", ".gguf")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
# A model card or a configuration that is larger is none.
_MOST_TEXT = 1 << 20
# First words of licence texts that carry no identifier, by the identifier that hubs use for them.
_LICENCE_TEXTS = (
    ("apache license", "apache-2.0"),
    ("mit license", "mit"),
    ("bsd 3-clause license", "bsd-3-clause"),
    ("gnu general public license", "gpl"),
)


class Candidate(msgspec.Struct, frozen=True):
    """One model. `spec` is what a session says for it; `shape` is None when it is not here yet
    (`folder` None as well) or cannot be used (`problem`).

    `licence` and `name` are text of strangers. `bytes` on disk; `has_template` None is unknown;
    `pickles` are weight files that lie beside safetensors and are never read.
    """

    spec: str
    name: str
    where: Where
    folder: Path | None = None
    shape: ModelShape | None = None
    licence: str | None = None
    bytes: int | None = None
    has_template: bool | None = None
    pickles: tuple[str, ...] = ()
    problem: Problem | None = None


def find_models(spec: str, base: Path, here: Path, cache: Path) -> tuple[Candidate, ...]:
    """Models at hand, each once: that of the session (`spec`, relative to `base`), the demo's,
    folders below `here` and ~/models, the Hugging Face cache, results of runs.

    Reads folder names, config.json and safetensors headers: tens of milliseconds for a few models,
    and nothing is fetched.
    """
    found: dict[str, Candidate] = {}
    for candidate in _each(spec, base, here, cache):
        key = str(candidate.folder.resolve()) if candidate.folder else candidate.spec
        found.setdefault(key, candidate)
    return tuple(found.values())


def describe(folder: Path, base: Path, where: Where = "folder") -> Candidate:
    """The model in `folder`, or what is wrong with it; its spec is relative to `base`."""
    absolute = folder.expanduser().absolute()
    return _described(os.path.relpath(absolute, base.absolute()), absolute.name, where, absolute)


def typed_model(text: str, base: Path, here: Path, cache: Path) -> Candidate:
    """The model that a person means by `text`: a folder (relative to `here`), the demo's, or a
    repository in the local Hugging Face cache; with its `problem` when there is none."""
    spec = text.strip()
    if spec == DEMO_MODEL:
        return _demo(cache)
    try:
        folder = here / Path(spec).expanduser()
        if spec and folder.exists():
            return describe(folder, base)
    except (OSError, RuntimeError, ValueError) as error:
        # A name that is too long, a ~user that nobody is, a zero byte.
        unknown = Problem(
            "that is not a path", why=str(error), cure="name a folder with config.json"
        )
        return Candidate(spec, spec, "folder", problem=unknown)
    return _of_session(spec or ".", here, cache)


def _each(spec: str, base: Path, here: Path, cache: Path) -> Iterator[Candidate]:
    if spec != DEMO_MODEL:
        yield _of_session(spec, base, cache)
    yield _demo(cache)
    for root in (here, Path.home() / "models"):
        for folder in model_folders(root):
            yield describe(folder, base)
    yield from _hub()
    yield from _results(base)


def _of_session(spec: str, base: Path, cache: Path) -> Candidate:
    name = spec.rstrip("/").rpartition("/")[2] or spec
    try:
        folder = resolve_model(spec, base, cache)
    except Problem as problem:
        return Candidate(spec, name, "session", problem=problem)
    return _described(spec, name, "session", folder)


def _demo(cache: Path) -> Candidate:
    folder = demo_model_at(cache)
    name = DEMO_MODEL.partition(":")[2]
    if folder is None:
        return Candidate(DEMO_MODEL, name, "demo", licence="apache-2.0")
    return _described(DEMO_MODEL, name, "demo", folder)


def model_folders(root: Path, depth: int = _DEPTH) -> list[Path]:
    """Folders in `root` (itself included) that hold a model, by their file names, sorted.

    Looks `depth` folders deep and at `MOST_FOLDERS` in all; hidden ones are left out, and so is
    what may not be read.
    """
    found: list[Path] = []
    level, seen = [root], 0
    for deep in range(depth + 1):
        below: list[Path] = []
        for folder in level:
            seen += 1
            if seen > MOST_FOLDERS:
                return sorted(found)
            files, folders = _names(folder)
            if _is_model(files):
                found.append(folder)
            elif deep < depth:
                below += [folder / name for name in folders]
        level = below
    return sorted(found)


def _names(folder: Path) -> tuple[set[str], list[str]]:
    """(file names, folder names) in a folder; none in one that may not be read."""
    files: set[str] = set()
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not _is_dir(entry):
                    files.add(entry.name)
                elif not entry.name.startswith(".") and entry.name not in _SKIPPED:
                    folders.append(entry.name)
    except OSError:
        return files, folders
    return files, folders


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that leads round to itself is nothing to go into.
        return False


def _is_model(files: set[str]) -> bool:
    return "config.json" in files and any(
        name.endswith(_WEIGHTS) or name in ("tokenizer.json", "tokenizer.model") for name in files
    )


def _hub() -> Iterator[Candidate]:
    _, stored = _names(hub_cache())
    for folder in sorted(stored):
        parts = folder.split("--", 2)
        if parts[0] != "models" or len(parts) < 2:
            continue
        repo = "/".join(parts[1:])
        try:
            snapshot = hub_snapshot(repo)
        except Problem as problem:
            # The cache also keeps what was asked for and never came.
            yield Candidate(repo, repo, "hub", problem=problem)
            continue
        # Only ORG/NAME is understood as a repository; an old single name goes by its folder.
        yield _described(repo if "/" in repo else str(snapshot), repo, "hub", snapshot)


def _results(base: Path) -> Iterator[Candidate]:
    """What finished runs made: merged models, and those of full fine-tuning."""
    for run in reversed(known_runs()):
        try:
            ended = run.read_exit()
        except Problem:
            # A damaged run is told of where runs are listed; its models are not offered.
            continue
        if ended is None or ended.state != "done":
            continue
        for name in ("merged", "model"):
            folder = run.path / name
            if (folder / "config.json").is_file():
                spec = os.path.relpath(folder, base.absolute())
                yield _described(spec, f"{run.path.name}/{name}", "run", folder)


def _described(spec: str, name: str, where: Where, folder: Path) -> Candidate:
    try:
        check_model_folder(folder)
        shape = read_shape(folder)
        pickles = tuple(sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLES))
        return Candidate(
            spec=spec,
            name=name,
            where=where,
            folder=folder,
            shape=shape,
            licence=licence_of(folder),
            bytes=folder_bytes(folder),
            has_template=has_template(folder),
            pickles=pickles,
        )
    except Problem as problem:
        return Candidate(spec, name, where, folder, problem=problem)
    except OSError as error:
        unread = Problem(
            f"{folder} cannot be read",
            why=str(error.strerror or error),
            cure=f"check its permissions: ls -la '{folder}'",
        )
        return Candidate(spec, name, where, folder, problem=unread)


def licence_of(folder: Path) -> str | None:
    """The licence that the model card's front matter names, else what a LICENSE file is headed by;
    None when there is neither. Untrusted text."""
    card = _text(folder / "README.md")
    if card is not None and card.startswith("---"):
        front = card[3:].partition("\n---")[0]
        named = _front_value(front, "license")
        if named == "other":
            named = _front_value(front, "license_name") or named
        if named:
            return named
    for file in ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE"):
        text = _text(folder / file)
        head = " ".join((text or "").split()[:12])
        for start, identifier in _LICENCE_TEXTS:
            if head.lower().lstrip("# ").startswith(start):
                return identifier
        if head:
            return head
    return None


def _front_value(front: str, key: str) -> str | None:
    """The value of a top-level key of YAML front matter: a word, or the first of a list."""
    lines = iter(front.splitlines())
    for line in lines:
        if line.startswith(f"{key}:"):
            value = line.partition(":")[2].strip() or next(lines, "").strip()
            return value.lstrip("-[ ").rstrip("] ").partition(",")[0].strip("'\" ") or None
    return None


def has_template(folder: Path) -> bool:
    """Whether the model brings a chat template."""
    if (folder / "chat_template.jinja").is_file():
        return True
    text = _text(folder / "tokenizer_config.json", 16 * _MOST_TEXT)
    try:
        config = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return False
    return isinstance(config, dict) and bool(config.get("chat_template"))


def _text(path: Path, most: int = _MOST_TEXT) -> str | None:
    """The start of a text file; None when there is none."""
    try:
        with path.open("rb") as file:
            return file.read(most).decode("utf-8", errors="replace")
    except OSError:
        return None
