"""ctrl+z: whether a shell waits that could bring the program back."""

from __future__ import annotations

import os
from pathlib import Path

NO_SHELL = "no shell waits behind this screen: q closes it, runs go on"


def shell_waits(proc: Path = Path("/proc")) -> bool:
    """Whether what started this process group is of the same session and none of the group, as a
    shell with job control is. Where it is sshd or tmux itself, a stop would never end."""
    group, session, at = os.getpgrp(), os.getsid(0), os.getppid()
    try:
        while at > 1:
            # The name in brackets may hold spaces and brackets.
            fields = (proc / str(at) / "stat").read_text().rpartition(") ")[2].split()
            parent, its_group, its_session = (int(field) for field in fields[1:4])
            if its_group != group:
                return its_session == session
            at = parent
    except (OSError, ValueError):
        pass
    return False
