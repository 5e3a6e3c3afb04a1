"""What a frame of a curve costs at a million points, against a look at every point."""

from __future__ import annotations

import math
import random
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Callable

GROWTH = """
import sys
from array import array
from pathlib import Path
from tunewright.tui.widgets.pyramid import Pyramid

def held():
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0])

steps, values = array("d", range(int(sys.argv[1]))), array("d", bytes(8 * int(sys.argv[1])))
before, pyramid = held(), Pyramid()
for at in range(0, len(steps), 4096):
    pyramid.extend(steps[at : at + 4096], values[at : at + 4096])
print((held() - before) / 1024)
"""


def bench_curve(count: int = 1_000_000) -> None:
    """Filling a pyramid, its memory, and CPU milliseconds a frame: of an unchanged zoom after one
    more step (what a running run costs), and of a zoom seen for the first time."""
    from run import ROW

    from tunewright.tui.widgets.curve import draw
    from tunewright.tui.widgets.plot import Plot, View
    from tunewright.tui.widgets.pyramid import Pyramid

    draw_from = random.Random(0)
    losses = array(
        "d", (0.4 + 1.5 * math.exp(-i / 2e4) + draw_from.gauss(0, 0.05) for i in range(count))
    )
    pyramid = Pyramid()
    filling = _milliseconds(lambda: pyramid.extend(range(1, count + 1), losses), 1)
    moments = _milliseconds(pyramid.moments, 1)
    told = f"{moments / 1e3:.2f} s more, once, for the notable moments"
    print(ROW.format(f"curve: take in {count:,} points (s)", f"{filling / 1e3:.2f}", "", "", told))
    grown = float(subprocess.check_output([sys.executable, "-c", GROWTH, str(count)]))
    plain_size = count * 16 / 2**20
    told = "plain: two arrays of 8-byte numbers"
    ratio = f"{grown / plain_size:.2f}"
    print(ROW.format("curve: memory (MiB)", f"{grown:.1f}", f"{plain_size:.1f}", ratio, told))

    def one_more(plot: Plot, width: int, height: int) -> None:
        pyramid.extend([pyramid.steps[-1] + 1], [0.4])
        draw(plot, width, height)

    def first(plot: Plot, width: int, height: int) -> None:
        # What is taken back makes the pyramid forget the columns that it keeps between frames.
        pyramid.truncate(pyramid.steps[-1])
        draw(plot, width, height)

    def every_point(width: int) -> None:
        columns = 2 * width
        for column in range(columns):
            part = losses[count * column // columns : count * (column + 1) // columns]
            min(part), max(part)

    for width, height in ((80, 14), (200, 60)):
        plain = _milliseconds(lambda width=width: every_point(width), 5)
        for name, frame in (("one more step", one_more), ("new zoom", first)):
            for share in (1.0, 0.05):
                plot = Plot("loss", pyramid, view=View(share))
                ours = _milliseconds(
                    lambda frame=frame, plot=plot, width=width, height=height: frame(
                        plot, width, height
                    ),
                    41,
                )
                print(
                    ROW.format(
                        f"curve {width}x{height}, {plot.view.words or 'whole'}, {name} (CPU ms)",
                        f"{ours:.2f}",
                        f"{plain:.2f}",
                        f"{ours / plain:.3f}",
                        "plain: minima and maxima only, not drawn",
                    )
                )


def _milliseconds(run: Callable[[], object], times: int) -> float:
    """Median of the CPU milliseconds of a call."""
    taken = []
    for _ in range(times):
        started = time.process_time()
        run()
        taken.append(time.process_time() - started)
    return statistics.median(taken) * 1e3


if __name__ == "__main__":
    bench_curve()
