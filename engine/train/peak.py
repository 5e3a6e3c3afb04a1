"""The most memory that this process held, for what was predicted to stand beside."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

_STATUS = Path("/proc/self/status")
_PEAK = re.compile(rb"VmHWM:\s+(\d+) kB")


def reset_host_peak() -> None:
    """Start the high-water mark again from what is held now, so that a stage has its own peak.

    Linux: proc(5), /proc/pid/clear_refs, value 5. Elsewhere the peak stays the process's.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_bytes(b"5")


def host_peak_bytes() -> int:
    """Peak resident memory of this process since the last reset, in bytes.

    VmHWM rather than ru_maxrss: the latter is inherited from the process that forked this one.
    """
    try:
        found = _PEAK.search(_STATUS.read_bytes())
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
