"""A field for the path of a folder or a file, completed from the disk in a thread."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input

# What a listing looks at: a folder with more entries is completed among the first ones.
MOST_ENTRIES = 5000


def complete_folder(text: str, here: Path, *, files: bool = False) -> str | None:
    """`text` completed to the first folder below it by name, with a slash at its end, or with
    `files` to the first file too; None when there is none. Relative paths start from `here`; hidden
    names only after a dot."""
    parent, slash, start = text.rpartition("/")
    if text in ("~", "~/"):
        return "~/" if text == "~" else None
    try:
        folder = here / Path(parent + slash).expanduser()
        found = []
        with os.scandir(folder) as entries:
            for _, entry in zip(range(MOST_ENTRIES), entries, strict=False):
                hidden = entry.name.startswith(".") and not start.startswith(".")
                if not entry.name.startswith(start) or hidden:
                    continue
                if entry.is_dir():
                    found.append(entry.name + "/")
                elif files:
                    found.append(entry.name)
    except (OSError, RuntimeError, ValueError):
        # What is typed is not a folder yet.
        return None
    if not start or not found:
        return None
    name = min(found)
    return f"{parent}{slash}{name}" if name.isprintable() else None


class _Paths(Suggester):
    def __init__(self, files: bool) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._files = files

    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(complete_folder, value, Path.cwd(), files=self._files)


class FolderField(Input):
    """Tab or right takes the completion. With `files` it completes files as well as folders."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "cursor_right", show=False)]

    def __init__(
        self, *, placeholder: str = "", files: bool = False, id: str | None = None
    ) -> None:
        super().__init__(placeholder=placeholder, suggester=_Paths(files), compact=True, id=id)
