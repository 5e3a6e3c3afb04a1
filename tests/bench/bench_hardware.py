"""The hardware room on the stub driver: a full snapshot, watching, and what the import costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from stub_nvml import build_stub, compiler, stub_environment
from stub_nvml.machines import h100_box

# Each prints one figure: seconds of a call, or of CPU a reading.
SNAPSHOT = """
import time
from tunewright.hardware.take import take_snapshot
first = time.perf_counter()
assert len(take_snapshot().gpus) == 8
cold = time.perf_counter() - first
times = []
for _ in range(15):
    began = time.perf_counter()
    take_snapshot()
    times.append(time.perf_counter() - began)
print(cold, sorted(times)[7])
"""
WATCH = """
import time
from tunewright.hardware.watch import Watch
watch = Watch()
assert len(watch().gpus) == 8
began = time.process_time()
for _ in range(30):
    watch()
    time.sleep(0.02)
print((time.process_time() - began) / 30)
"""
IMPORT = "import tunewright.hardware, tunewright.hardware.take, tunewright.hardware.live"


def bench_hardware(
    row: Callable[..., None],
    pairs: Callable[[Callable[[], float], Callable[[], float], int], tuple[float, float, str]],
    seconds_of: Callable[..., tuple[float, float]],
) -> None:
    """Print the rows; the aims are in their names."""
    if compiler() is None:
        print("hardware: skipped, no C compiler (cc) to build the stub NVML")
        return
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "box.txt"
        scenario.write_text(h100_box(8))
        environment = stub_environment(build_stub(Path(folder)), scenario)

        def figures(code: str) -> list[float]:
            done = subprocess.check_output([sys.executable, "-c", code], env=environment)
            return [float(word) for word in done.split()]

        runs = [figures(SNAPSHOT) for _ in range(7)]
        cold, warm = (statistics.median(run[i] for run in runs) for i in (0, 1))
        row("snapshot of 8 devices on the stub, ms (aim 100)", warm * 1e3)
        row("the first one of a process, with its imports, ms", cold * 1e3)
        share = statistics.median(figures(WATCH)[0] for _ in range(5))
        row("watching 8 devices at 1 Hz, % of a core (aim 2)", share * 100)
    whole = [sys.executable, "-c", IMPORT]
    alone = [sys.executable, "-c", "import tunewright.hardware"]
    bare = [sys.executable, "-c", "pass"]
    for name, command in (
        ("import tunewright.hardware / pass, CPU ms (aim +60)", alone),
        ("… with take and live, CPU ms (aim +60)", whole),
    ):
        ours, plain, told = pairs(
            lambda command=command: seconds_of(command)[1],  # type: ignore[misc]
            lambda: seconds_of(bare)[1],
            15,
        )
        more = (ours - plain) * 1e3
        row(name, ours * 1e3, plain * 1e3, f"{told}; {more:.0f} ms more")
