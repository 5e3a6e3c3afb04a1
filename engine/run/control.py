"""The control spool: a command is a JSON file renamed into control/; its answer is an event.

Needs no socket, works from a login node that shares the file system, and harms nothing when two
clients speak at once: each command has its own name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Container
from pathlib import Path
from typing import Literal

import msgspec

from tunewright.engine.files import write_atomic

Verb = Literal["checkpoint", "stop", "pause", "unpause", "kill"]


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One command. `id` is also the file's stem and names the answer."""

    id: str
    verb: Verb
    by: str = ""


class NoCommand(msgspec.Struct, frozen=True):
    """A file of the spool that is no command: its stem, and why not."""

    name: str
    why: str


def send(spool: Path, verb: Verb, by: str = "") -> str:
    """Put a command into the spool; its id, to find the answer by. OSError when it cannot be."""
    command = Command(f"{time.time_ns()}-{os.urandom(3).hex()}", verb, by)
    write_atomic(spool / f"{command.id}.json", msgspec.json.encode(command))
    return command.id


class Spool:
    """The reading end of a spool: gives each command once, also one that cannot be removed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stuck: set[str] = set()

    def waiting(self) -> frozenset[str]:
        """The file names of what waits now; none of it is taken."""
        try:
            return frozenset(path.name for path in self._folder.glob("[!.]*.json"))
        except OSError:
            # A shared file system stumbles at times; the spool is looked at again in a moment.
            return frozenset()

    def take(self, only: Container[str] | None = None) -> list[Command | NoCommand]:
        """Remove and return what waits, oldest first; of the files named in `only` if given.

        What is no command is removed too: it would never become one, since commands are renamed
        into place whole.
        """
        taken: list[Command | NoCommand] = []
        for name in sorted(self.waiting() - self._stuck):
            if only is not None and name not in only:
                continue
            path = self._folder / name
            try:
                taken.append(msgspec.json.decode(path.read_bytes(), type=Command))
            except FileNotFoundError:
                continue
            except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
                taken.append(NoCommand(path.stem, str(error)))
            try:
                path.unlink(missing_ok=True)
            except OSError:
                self._stuck.add(name)
        return taken
