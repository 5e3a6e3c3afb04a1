"""The training loss as a small picture in ASCII."""

from __future__ import annotations

import math

from tunewright.engine.run.curves import Curves

_WIDTH, _HEIGHT = 60, 8


def loss_chart(curves: Curves) -> str:
    """The training loss over the steps in ASCII; columns are means. Empty below two losses."""
    known = [
        (s, loss) for s, loss in zip(curves.step, curves.loss, strict=True) if math.isfinite(loss)
    ]
    if len(known) < 2:
        return ""
    width = min(_WIDTH, len(known))
    columns = [
        [loss for _, loss in known[i * len(known) // width : (i + 1) * len(known) // width]]
        for i in range(width)
    ]
    means = [math.fsum(column) / len(column) for column in columns]
    low, high = min(means), max(means)
    step = (high - low) / (_HEIGHT - 1) or 1.0
    levels = [round((mean - low) / step) for mean in means]
    lines = []
    for level in range(_HEIGHT - 1, -1, -1):
        label = f"{low + level * step:9.4f}" if level in (0, _HEIGHT - 1) else " " * 9
        dots = "".join("*" if at == level else " " for at in levels).rstrip()
        lines.append(f"{label} |{dots}")
    first, last = str(known[0][0]), str(known[-1][0])
    lines.append(f"{'':10}+{'-' * width}")
    lines.append(f"{'step':>9}  {first}{last:>{max(1, width - len(first))}}")
    return "\n".join(lines)
