"""Data of the Hugging Face hub by its id: from the local cache, else downloaded when online."""

from __future__ import annotations

import os
from pathlib import Path

from tunewright.engine.model import stored_snapshot
from tunewright.hardware.errors import Problem

# Data files and nothing else: a repository may hold scripts, which are never run.
_PATTERNS = [
    f"*{ending}{packed}"
    for ending in (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".txt", ".md")
    for packed in ("", ".gz", ".zst")
]


def dataset_snapshot(repo: str) -> Path:
    """The folder of a data set: the cached snapshot, else a download of its data files. A `Problem`
    when it is not cached and cannot be fetched."""
    found = stored_snapshot(repo, "datasets")
    if found is not None:
        return found
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise _absent(repo, "HF_HUB_OFFLINE is set")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise _absent(repo, f"huggingface_hub is not installed ({error})") from error
    try:
        return Path(snapshot_download(repo, repo_type="dataset", allow_patterns=_PATTERNS))
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise _absent(repo, first[:300]) from error


def _absent(repo: str, why: str) -> Problem:
    return Problem(
        f"there is no file or folder {repo}, and no data set of that name could be fetched",
        why=why,
        cure=f"check the path; or where there is a network: hf download --repo-type dataset {repo}",
    )
