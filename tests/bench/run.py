"""make bench: what Tunewright costs beside the plain alternative, in alternating runs.

Prints one table. Ratios are taken pair by pair, since the machine is shared and drifts; with each
comes a 95 % bootstrap interval of the median. Nothing here judges: the README quotes it.

    python tests/bench/run.py [startup] [screen] [attach] [watched] [curve] [hardware] [events]
                              [training] [samples]
"""

from __future__ import annotations

import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

ROW = "{:<52} {:>12} {:>12} {:>8}  {}"


def seconds_of(
    command: list[str], environment: dict[str, str] | None = None
) -> tuple[float, float]:
    """(wall, CPU) seconds of one run of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    wall = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stderr.decode()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def interval(ratios: list[float]) -> tuple[float, float, float]:
    """Median of the ratios with a 95 % bootstrap interval (seeded)."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(2000))
    return statistics.median(ratios), medians[49], medians[1949]


def pairs(
    ours: Callable[[], float], plain: Callable[[], float], count: int
) -> tuple[float, float, str]:
    """Medians of both and the ratio ours / plain of alternating pairs, as text."""
    ours(), plain()
    a, b = [], []
    for index in range(count):
        for run, into in ((ours, a), (plain, b)) if index % 2 else ((plain, b), (ours, a)):
            into.append(run())
    middle, low, high = interval([x / y for x, y in zip(a, b, strict=True)])
    told = f"{middle:.3f} [{low:.3f}, {high:.3f}] of {count} pairs"
    return statistics.median(a), statistics.median(b), told


def row(name: str, ours: float, plain: float | None = None, told: str = "") -> None:
    """Print one line of the table; the ratio stands in `told`, taken pair by pair."""
    print(ROW.format(name, f"{ours:.4g}", "" if plain is None else f"{plain:.4g}", "", told))


def bench_screens() -> None:
    """The screens: first frame, usable paint, bytes on the line."""
    from bench_screen import bench_screen

    with tempfile.TemporaryDirectory() as folder:
        bench_screen(row, pairs, make_session(Path(folder)))


def bench_attached() -> None:
    """Train on a run of a million steps: until it is drawn, its traffic, keys over a slow line."""
    from bench_screen import bench_attach

    with tempfile.TemporaryDirectory() as folder:
        bench_attach(row, make_session(Path(folder)))


def bench_watched() -> None:
    """What a screen costs the run that it watches: over a slow line, and unread."""
    from bench_screen import bench_afar, bench_stalled

    with tempfile.TemporaryDirectory() as folder:
        session = make_session(Path(folder))
        bench_afar(row, pairs, session)
        bench_stalled(row, session)


def bench_machine() -> None:
    """Reading and watching a machine of eight devices, on the stub driver."""
    from bench_hardware import bench_hardware

    bench_hardware(row, pairs, seconds_of)


def bench_curves() -> None:
    """The curve widget at a million points."""
    from bench_curve import bench_curve

    bench_curve()


def bench_startup() -> None:
    """--version and a dry run of a small session against bare Python."""
    tunewright = str(Path(sys.executable).with_name("tunewright"))
    bare = [sys.executable, "-c", "pass"]
    with tempfile.TemporaryDirectory() as folder:
        session = make_session(Path(folder))
        for name, command in (
            ("--version", [tunewright, "--version"]),
            ("--replay --dry-run", [tunewright, "--replay", str(session), "--dry-run"]),
        ):
            ours, plain, told = pairs(
                lambda command=command: seconds_of(command)[0], lambda: seconds_of(bare)[0], 21
            )
            print(
                ROW.format(
                    f"{name} / python -c pass (ms)",
                    f"{ours * 1e3:.1f}",
                    f"{plain * 1e3:.1f}",
                    "",
                    told,
                )
            )


def make_session(folder: Path) -> Path:
    """A planned session for the tiny model and its data; its path."""
    from tiny import build_tiny_data, build_tiny_model

    build_tiny_model(folder / "model")
    data = build_tiny_data(folder)
    tunewright = str(Path(sys.executable).with_name("tunewright"))
    session = folder / "session.json"
    seconds_of(
        [
            tunewright,
            "train",
            str(folder / "model"),
            str(data.train),
            "--eval-data",
            str(data.eval),
            "--dry-run",
            "--save",
            str(session),
        ]
    )
    return session


EVENTS = """
import sys, time
from pathlib import Path
from tunewright.engine.run.rollup import read_curves

def held(name):
    # Of this program alone: ru_maxrss keeps the peak of the process that forked it.
    status = Path("/proc/self/status").read_text()
    return int(status.split(name + ":")[1].split()[0])

before = held("VmRSS")
started = time.perf_counter()
curves = read_curves(Path(sys.argv[1]))
seconds = time.perf_counter() - started
grown = held("VmHWM") - before
print(len(curves.step), seconds, grown / 1024)
"""

PLAIN_EVENTS = """
import json, sys, time
started = time.perf_counter()
losses = [json.loads(line)["loss"] for line in open(sys.argv[1] + "/1-worker0.jsonl")]
print(len(losses), time.perf_counter() - started)
"""


def bench_events(count: int = 1_000_000) -> None:
    """Reading a run of a million steps to its end."""
    from tunewright.engine.run.events import EventWriter, Step

    with tempfile.TemporaryDirectory() as folder:
        with EventWriter(Path(folder) / "1-worker0.jsonl") as writer:
            draw = random.Random(0)
            for step in range(1, count + 1):
                writer.write(
                    Step(
                        step=step,
                        total_steps=count,
                        # Rounded as the worker rounds them.
                        epoch=round(step / count, 4),
                        loss=draw.random(),
                        learning_rate=1e-4,
                        grad_norm=draw.random(),
                        tokens=step * 512,
                        tokens_per_second=round(draw.random() * 1e3, 2),
                        step_seconds=0.5,
                        eta_seconds=1.0,
                        host_bytes=10**9,
                    )
                )
        size = (Path(folder) / "1-worker0.jsonl").stat().st_size / 1e6
        ours, plain, grown = [], [], []
        for _ in range(3):
            out = subprocess.check_output([sys.executable, "-c", EVENTS, folder]).split()
            ours.append(float(out[1]))
            grown.append(float(out[2]))
            out = subprocess.check_output([sys.executable, "-c", PLAIN_EVENTS, folder]).split()
            plain.append(float(out[1]))
        told = f"{size:.0f} MB file; ours grows the process by {statistics.median(grown):.0f} MB"
        print(
            ROW.format(
                f"read {count:,} events / json.loads (s)",
                f"{statistics.median(ours):.2f}",
                f"{statistics.median(plain):.2f}",
                f"{statistics.median(ours) / statistics.median(plain):.2f}",
                told,
            )
        )


def bench_training(count: int = 7) -> None:
    """CPU-seconds a token of the training loop: our stage against the shortest plain TRL script."""
    from bench_training import loop_seconds

    with tempfile.TemporaryDirectory() as folder:
        ours, plain, told = pairs(
            lambda: loop_seconds("ours", Path(folder)),
            lambda: loop_seconds("plain", Path(folder)),
            count,
        )
    print(
        ROW.format(
            "training, CPU-s per 1000 tokens",
            f"{ours * 1e3:.3f}",
            f"{plain * 1e3:.3f}",
            "",
            told + " (below 1: ours is faster)",
        )
    )


def bench_sample_answers() -> None:
    """A training with answers to held-out rows, and without."""
    from tiny import build_tiny_data, build_tiny_model

    # The jobs of the tests that train.
    sys.path.insert(0, str(HERE.parent / "engine" / "train"))
    from bench_samples import bench_samples

    with tempfile.TemporaryDirectory() as folder:
        model = build_tiny_model(Path(folder) / "model")
        bench_samples(row, pairs, model, build_tiny_data(Path(folder)))


BENCHES: dict[str, Callable[[], None]] = {
    "startup": bench_startup,
    "screen": bench_screens,
    "attach": bench_attached,
    "watched": bench_watched,
    "curve": bench_curves,
    "hardware": bench_machine,
    "events": bench_events,
    "training": bench_training,
    "samples": bench_sample_answers,
}


def main() -> None:
    # As it is installed: with bytecode on disk, which some machines switch off for everything.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print(ROW.format("what", "tunewright", "plain", "ratio", "ours / plain, median [95 %]"))
    for name in sys.argv[1:] or list(BENCHES):
        BENCHES[name]()


if __name__ == "__main__":
    main()
