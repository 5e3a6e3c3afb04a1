"""The control spool: a command is a JSON file renamed into control/; its answer is an event.

Needs no socket, works from a login node that shares the file system, and harms nothing when two
clients speak at once: each command has its own name.
"""

from __future__ import annotations

import os
import time
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


def send(spool: Path, verb: Verb, by: str = "") -> str:
    """Put a command into the spool; its id, to find the answer by."""
    command = Command(f"{time.time_ns()}-{os.urandom(3).hex()}", verb, by)
    write_atomic(spool / f"{command.id}.json", msgspec.json.encode(command))
    return command.id


def take(spool: Path) -> list[Command | tuple[str, str]]:
    """Remove and return what waits in the spool, oldest first.

    A file that is no command comes back as (name, reason) and is removed too: it would never
    become one, since commands are renamed into place whole.
    """
    taken: list[Command | tuple[str, str]] = []
    for path in sorted(spool.glob("[!.]*.json")):
        try:
            taken.append(msgspec.json.decode(path.read_bytes(), type=Command))
        except FileNotFoundError:
            continue
        except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
            taken.append((path.stem, str(error)))
        path.unlink(missing_ok=True)
    return taken
