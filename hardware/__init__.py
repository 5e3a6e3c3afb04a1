"""What an NVIDIA box has, exactly, and what another would have. Light: sizing and plans start here.

from tunewright.hardware import imagine, take_snapshot, Watch

here = take_snapshot()              # every GPU and slice, links, processes, host; never raises
there = imagine("8x H100 80GB")     # the same type, from the catalogue or a file
now = Watch()                       # call it again and again: only what changes is read
"""

from __future__ import annotations

# Not imported from typing: that import takes longer than the rest of this file.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from tunewright.hardware.take import take_snapshot
    from tunewright.hardware.watch import Watch
    from tunewright.hardware.whatif import imagine

_FROM = {"take_snapshot": "take", "imagine": "whatif", "Watch": "watch"}

__all__ = ["Watch", "imagine", "take_snapshot"]


def __getattr__(name: str) -> object:
    """Imported when first asked for: a verb that reads no machine pays for none of it."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_FROM[name]}"), name)
