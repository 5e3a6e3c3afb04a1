"""The verdict of a fit in words, with the figure that it hangs on."""

from __future__ import annotations

from tunewright.engine.plan import MethodFit
from tunewright.engine.text import size


def said_of(fit: MethodFit) -> str:
    """The verdict with the figure that it hangs on."""
    estimate, free = fit.estimate, fit.free_bytes
    if fit.verdict == "fits":
        return f"fits, {size(free - estimate.safe_bytes)} to spare"
    if fit.verdict == "tight":
        over = size(estimate.safe_bytes - free)
        return f"tight: its safe bound is {over} over the {size(free)} that are free"
    over = size(estimate.expected_bytes - free)
    return f"does not fit: it needs {over} more than the {size(free)} that are free"
