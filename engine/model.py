"""What a person's words for a model and for data mean: a folder or file on this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tunewright.hardware.errors import Problem

if TYPE_CHECKING:
    from tunewright.engine.session import DataInput

DEMO_MODEL = "demo:smollm2-135m-instruct"
DEMO_DATA = "demo:orders"
# With a configuration or a revision behind it, as `hub.parse_id` takes them.
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(?::[\w.+-]+)?(?:@[\w./-]+)?")
DEMO_TICKETS = "demo:tickets"
DEMO_HANDBOOK = "demo:handbook"


def resolve_model(spec: str, base: Path, cache: Path) -> Path:
    """The folder of a model: a path (relative to `base`), the demo model, or a hub id that the
    local Hugging Face cache holds. A `Problem` when it is none of them, or holds no safetensors."""
    if spec.startswith("demo:"):
        return _demo_model(spec, cache)
    folder = base / Path(spec).expanduser()
    if folder.exists():
        return check_model_folder(folder)
    if spec.count("/") == 1 and not spec.startswith((".", "/", "~")):
        return check_model_folder(hub_snapshot(spec))
    raise Problem(
        f"there is no model at {folder}",
        why="the path does not exist",
        cure=f"name a folder with config.json and *.safetensors, or {DEMO_MODEL}",
    )


def resolve_data(data: DataInput, base: Path, cache: Path) -> tuple[Path, Path | None]:
    """(train file, held-out file or None) of a data input; the demo's are written when needed."""
    if data.path.startswith("demo:"):
        return _demo_data(data.path, cache / "demo")
    held = None if data.eval_path is None else _data_path(data.eval_path, base)
    return _data_path(data.path, base, data.revision), held


def _data_path(spec: str, base: Path, revision: str | None = None) -> Path:
    """A file, folder or glob relative to `base`; else the snapshot of a hub id."""
    if not is_hub_id(spec, base):
        return _short(base / Path(spec).expanduser())
    from tunewright.engine.data.hub import dataset_snapshot

    return dataset_snapshot(spec, revision)


def _short(path: Path) -> Path:
    """`path` without its `..`, where that is the same place: a link may lead elsewhere."""
    short = Path(os.path.normpath(path))
    return short if short.parent.resolve() == path.parent.resolve() else path


def is_hub_id(spec: str, base: Path) -> bool:
    """Whether `spec` is ORG/NAME and no path: nothing of that name is below `base`, nor is its
    folder."""
    path = base / Path(spec).expanduser()
    return bool(_HUB_ID.fullmatch(spec)) and not path.exists() and not path.parent.is_dir()


def _demo_data(spec: str, folder: Path) -> tuple[Path, Path]:
    if spec == DEMO_DATA:
        from tunewright.engine.demo.orders import write_orders

        return write_orders(folder)
    if spec == DEMO_TICKETS:
        from tunewright.engine.demo.tickets import write_tickets

        return write_tickets(folder)
    if spec == DEMO_HANDBOOK:
        from tunewright.engine.demo.handbook import write_handbook

        return write_handbook(folder)
    raise Problem(
        f"there is no demo data {spec!r}",
        why=f"there are {DEMO_DATA}, {DEMO_TICKETS} and {DEMO_HANDBOOK}",
        cure=f"name {DEMO_DATA} or a file",
    )


def resolve_documents(spec: str, base: Path, cache: Path) -> Path:
    """The file or folder of documents to retrieve from; the demo's are written when needed."""
    if spec == DEMO_HANDBOOK:
        from tunewright.engine.demo.handbook import write_documents

        return write_documents(cache / "demo")
    path = base / Path(spec).expanduser()
    if not path.exists():
        raise Problem(
            f"there are no documents at {path}",
            why="the path does not exist",
            cure="name a text file or a folder of text files",
        )
    return path


def _demo_model(spec: str, cache: Path) -> Path:
    if spec != DEMO_MODEL:
        raise Problem(
            f"there is no demo model {spec!r}",
            why=f"the only one is {DEMO_MODEL}",
            cure=f"name {DEMO_MODEL} or a model folder",
        )
    from tunewright.engine.demo.smollm2 import ensure_demo_model

    return ensure_demo_model(cache)


def check_model_folder(folder: Path) -> Path:
    """`folder`, if it is a whole model with safetensors weights; else the `Problem` with it."""
    if not folder.is_dir():
        raise Problem(
            f"{folder} is a file, not a model folder",
            why="a model is a folder with config.json, *.safetensors and tokenizer.json",
            cure="name the folder; GGUF files must be converted first",
        )
    if not (folder / "config.json").is_file():
        raise Problem(
            f"{folder} has no config.json",
            why="without it the architecture is unknown",
            cure="name the folder that save_pretrained wrote",
        )
    weights = {path.name for path in folder.glob("*.safetensors") if path.is_file()}
    if not weights:
        pickles = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]
        if pickles:
            raise Problem(
                f"{folder} holds pickle weights ({pickles[0].name}), which are refused",
                why="loading a pickle can run any code that its author put into it",
                cure="take the safetensors version of the model, or convert it on a machine you "
                "can lose: AutoModelForCausalLM.from_pretrained(…).save_pretrained(…)",
            )
        raise Problem(
            f"{folder} has no weights",
            why="there is no *.safetensors in it",
            cure="fetch the model whole",
        )
    absent = sorted(_shards(folder) - weights)
    if absent:
        raise Problem(
            f"{folder} is not whole",
            why=f"{len(absent)} of its weight files are not there, first {absent[0]}",
            cure="fetch the model again: a download was cut off",
        )
    if not (folder / "tokenizer.json").is_file():
        raise Problem(
            f"{folder} has no tokenizer.json",
            why="only fast tokenizers are read; older folders have tokenizer.model alone",
            cure="load it once with transformers' AutoTokenizer and save it with save_pretrained",
        )
    return folder


def _shards(folder: Path) -> set[str]:
    """The weight files that the index of a model in several parts names."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return set()
    try:
        names = set(msgspec.json.decode(index.read_bytes())["weight_map"].values())
    except (
        OSError,
        msgspec.DecodeError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise Problem(
            f"{index} cannot be read",
            why=f"{type(error).__name__}: {error}",
            cure="fetch the model again",
        ) from error
    return {name for name in names if isinstance(name, str)}


def hub_cache() -> Path:
    """The local Hugging Face cache, by its own variables: HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{caches}/huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()


def hub_snapshot(repo: str) -> Path:
    """The newest snapshot of `repo` in the local cache, by its documented layout:
    models--ORG--NAME/refs/main names the folder below snapshots/."""
    found = stored_snapshot(repo, "models")
    if found is not None:
        return found
    raise Problem(
        f"{repo} is not on this machine",
        why=f"no folder of that name, and no models--{repo.replace('/', '--')} in {hub_cache()}",
        cure=f"download it once: hf download {repo}",
    )


def stored_snapshot(repo: str, kind: str, revision: str | None = None) -> Path | None:
    """The newest snapshot of a repository of `kind` ("models", "datasets") in the local cache, or
    that of a branch, a tag or a commit."""
    stored = hub_cache() / f"{kind}--{repo.replace('/', '--')}"
    if revision is not None and (stored / "snapshots" / revision).is_dir():
        return stored / "snapshots" / revision
    reference = stored / "refs" / (revision or "main")
    if reference.is_file():
        commit = reference.read_text(encoding="utf-8", errors="replace").strip()
        snapshot = stored / "snapshots" / commit
        if commit and snapshot.is_dir():
            return snapshot
    return None
