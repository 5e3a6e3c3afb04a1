"""Data of the Hugging Face hub by its id: from the local cache, else downloaded when online.

`ORG/NAME`, `ORG/NAME:CONFIG` for one configuration of several, `ORG/NAME@REVISION` for a branch, a
tag or a commit. Only data files are fetched, and nothing that a repository holds is ever run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from tunewright.engine.homes import cache_home
from tunewright.engine.model import stored_snapshot
from tunewright.hardware.errors import Problem

# Data files and nothing else: a repository may hold scripts, which are never run.
_PATTERNS = [
    f"*{ending}{packed}"
    for ending in (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".txt", ".md")
    for packed in ("", ".gz", ".zst")
]
_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?::(?P<config>[\w.+-]+))?(?:@(?P<revision>[\w./-]+))?")
# The commit in the path of a snapshot, or of the files of one configuration.
_COMMIT = re.compile(r"(?:/snapshots/|@)([0-9A-Za-z]{6,64})(?:/|$)")


class HubId(NamedTuple):
    """What an id asks for."""

    repo: str
    config: str | None
    revision: str | None


def parse_id(spec: str) -> HubId:
    """The parts of an id; a `Problem` for what is none."""
    found = _ID.fullmatch(spec)
    if found is None:
        raise _absent(spec, "it is no id of the hub: ORG/NAME, ORG/NAME:CONFIG, ORG/NAME@REVISION")
    return HubId(found["repo"], found["config"], found["revision"])


def commit_of(path: Path) -> str | None:
    """The commit of a data set that `dataset_snapshot` gave."""
    found = _COMMIT.search(path.as_posix())
    return None if found is None else found[1]


def dataset_snapshot(spec: str, revision: str | None = None) -> Path:
    """The folder of a data set: the cached snapshot, else a download of its data files. `revision`
    is the commit that a session has recorded. A `Problem` when it is not cached and cannot be
    fetched, or has several configurations of which none was named."""
    asked = parse_id(spec)
    revision = revision or asked.revision
    found = stored_snapshot(asked.repo, "datasets", revision)
    missing = () if found is None else _missing(asked.repo, found)
    if found is None or missing:
        if _is_offline():
            why = "HF_HUB_OFFLINE is set"
            if missing:
                why += f", and of what is in the cache {len(missing)} files lack: {missing[0]}"
            raise _absent(spec, why)
        found = _download(spec, asked.repo, revision)
    return _configured(found, asked)


def _is_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def _missing(repo: str, folder: Path) -> tuple[str, ...]:
    """Data files that a download which was cut off has not fetched; nothing where the library has
    left no list of them."""
    try:
        from huggingface_hub import get_cached_repo_tree
        from huggingface_hub.errors import CachedRepoTreeNotFoundError
    except ImportError:
        return ()
    try:
        listed = get_cached_repo_tree(repo, repo_type="dataset", revision=folder.name)
    except (CachedRepoTreeNotFoundError, ValueError, OSError):
        return ()
    wanted = (file.path for file in listed if any(fnmatch(file.path, p) for p in _PATTERNS))
    return tuple(path for path in wanted if not (folder / path).is_file())


def _download(spec: str, repo: str, revision: str | None) -> Path:
    try:
        from huggingface_hub import errors, snapshot_download
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError as error:
        raise _absent(spec, f"huggingface_hub is not installed ({error})") from error
    # They would be drawn over the screen.
    disable_progress_bars()
    try:
        return Path(
            snapshot_download(
                repo, repo_type="dataset", revision=revision, allow_patterns=_PATTERNS
            )
        )
    except errors.GatedRepoError as error:
        raise Problem(
            f"{repo} is gated: its owner lets in those who asked",
            why="the hub gave no access"
            + ("" if _signed_in() else ", and nobody is signed in on this machine"),
            cure=f"ask for access on the page of {repo} on the hub, then: hf auth login (or "
            "HF_TOKEN in the environment)",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise Problem(
            f"{repo} has no revision {revision}",
            why="the hub knows no branch, tag or commit of that name",
            cure=f"leave it out, or name another: {repo}@main",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise _absent(
            spec,
            "the hub knows no data set of that name, or it is private and "
            + ("this account may not see it" if _signed_in() else "nobody is signed in"),
            f"check the name; for a private one: hf auth login; a file or folder {repo} is not "
            "here either",
        ) from error
    except Exception as error:
        if getattr(getattr(error, "response", None), "status_code", None) == 401:
            cure = "sign in anew: hf auth login; or take HF_TOKEN out of the environment"
            raise _absent(spec, "the hub does not know the token of this machine", cure) from error
        # Whatever the network, its library or the disk says.
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        cure = "once more, when there is a network: what has been fetched is kept"
        raise _absent(spec, first[:300], cure) from error


def _signed_in() -> bool:
    from huggingface_hub import get_token

    return get_token() is not None


def _configured(folder: Path, asked: HubId) -> Path:
    """The folder, or one of links to the files of a configuration, by split."""
    known = _configurations(folder)
    name = asked.config
    if name is None:
        if len(known) < 2:
            return folder
        name = next((n for n, files in known.items() if files.default), None)
        if name is None:
            raise Problem(
                f"{asked.repo} has {len(known)} configurations",
                why=f"they are {', '.join(list(known)[:20])}",
                cure=f"name one: {asked.repo}:{next(iter(known))}",
            )
    if name not in known:
        if (folder / name).is_dir():
            return folder / name
        names = list(known) or sorted(path.name for path in folder.iterdir() if path.is_dir())
        raise Problem(
            f"{asked.repo} has no configuration {name}",
            why=f"it has {', '.join(names[:20]) or 'one alone'}",
            cure=f"name one of them: {asked.repo}:{names[0]}" if names else "leave it out",
        )
    at = f"{asked.repo.replace('/', '--')}-{name}@{folder.name}"
    return _linked(folder, known[name], cache_home() / "hub" / at)


class _Files(NamedTuple):
    """Globs of a configuration's files by split."""

    patterns: tuple[tuple[str, str], ...]
    default: bool


def _configurations(folder: Path) -> dict[str, _Files]:
    """What the front matter of README.md says; nothing where it says nothing that makes sense."""
    try:
        import yaml
        from huggingface_hub import metadata_load
    except ImportError:
        return {}
    try:
        about = metadata_load(folder / "README.md")
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    found: dict[str, _Files] = {}
    listed = about.get("configs") if isinstance(about, dict) else None
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("config_name"), str):
            patterns = tuple(_patterns(one.get("data_files"), one.get("data_dir")))
            name = one["config_name"]
            if patterns:
                found[name] = _Files(patterns, one.get("default") is True or name == "default")
    return found


def _patterns(files: Any, base: Any) -> Iterator[tuple[str, str]]:
    inside = f"{base.strip('/')}/" if isinstance(base, str) and base.strip("/") else ""
    if files is None and inside:
        yield "train", f"{inside}*"
    for one in files if isinstance(files, list) else [files]:
        if isinstance(one, str):
            yield "train", inside + one
        elif isinstance(one, dict) and "path" in one:
            paths = one["path"] if isinstance(one["path"], list) else [one["path"]]
            yield from ((str(one.get("split", "train")), inside + str(path)) for path in paths)


def _linked(folder: Path, files: _Files, view: Path) -> Path:
    """A folder with a link to each file, below the name of its split."""
    all_files = [path for path in folder.rglob("*") if path.is_file()]
    for path in sorted(all_files):
        name = path.relative_to(folder).as_posix()
        split = next((s for s, pattern in files.patterns if fnmatch(name, pattern)), None)
        if split is None or not re.fullmatch(r"[\w.-]+", split) or split.startswith("."):
            continue
        link = view / split / name.replace("/", "--")
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(path.absolute())
    if not view.is_dir():
        raise Problem(
            f"{folder} lacks the files of this configuration",
            why=f"nothing is like {files.patterns[0][1]}",
            cure="fetch the data set again, or name a file of it",
        )
    return view


def _absent(spec: str, why: str, cure: str = "") -> Problem:
    repo = re.split("[:@]", spec, maxsplit=1)[0]
    return Problem(
        f"there is no file or folder {spec}, and no data set of that name could be fetched",
        why=why,
        cure=cure
        or f"check the path; or where there is a network: hf download --repo-type dataset {repo}",
    )
