"""What the screens cost: first frame, usable paint, bytes on the line, keys over a slow one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from slow_line import DELAY_SECONDS, SlowLine
from terminal import Terminal

if TYPE_CHECKING:
    from tunewright.engine.run.rundir import RunDir

PROGRAM = str(Path(sys.executable).with_name("tunewright"))

# The smallest Textual program: what any app on it pays before it can paint.
HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    def compose(self):
        yield Static("hello there")
Hello().run(mouse=False)
"""

Environment = dict[str, str]


def environment(home: Path) -> Environment:
    left_out = ("NO_COLOR", "COLORTERM", "PYTHONDONTWRITEBYTECODE")
    base = {k: v for k, v in os.environ.items() if k not in left_out}
    return {**base, "TUNEWRIGHT_HOME": str(home), "LANG": "C.UTF-8"}


def seconds_until(words: list[str], text: str, base: Environment) -> float:
    """Seconds from the start of a program until `text` stands on its screen."""
    with Terminal(words, base) as terminal:
        return terminal.until(text)


def first_frame(session: Path, base: Environment) -> float:
    return seconds_until([PROGRAM], "opening", base)


def usable(session: Path, base: Environment) -> float:
    return seconds_until([PROGRAM, "--session", str(session)], "enter next", base)


def live(session: Path, base: Environment) -> float:
    """Until the machine has been read, too, and stands in the pane: its live content."""
    return seconds_until([PROGRAM, "--session", str(session)], " free", base)


def hello(base: Environment) -> float:
    return seconds_until([sys.executable, "-c", HELLO], "hello there", base)


def traffic(
    session: Path, key: str, base: Environment, seconds: float = 20.0, *words: str
) -> tuple[float, float]:
    """(bytes a second, share of a core) of one pane, left alone after it has settled."""
    with Terminal([PROGRAM, "--session", str(session), *words], base) as terminal:
        terminal.until("q quit")
        terminal.press(key)
        terminal.read(5)
        before, started, count = cpu(terminal.process.pid), time.monotonic(), 0
        while time.monotonic() - started < seconds:
            count += terminal.read(0.5)
        took = time.monotonic() - started
        return count / took, (cpu(terminal.process.pid) - before) / took


def cpu(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answer_time(session: Path, base: Environment, presses: int = 10) -> float:
    """Median seconds from a key to the screen it leads to, without any delay of a line."""
    took = []
    with Terminal([PROGRAM, "--session", str(session)], base) as terminal:
        terminal.until("enter next")
        terminal.read(3)
        for at in range(presses):
            key, text = ("2", "[2 Goal]") if at % 2 == 0 else ("1", "[1 Machine]")
            started = time.monotonic()
            terminal.press(key)
            terminal.until(text)
            took.append(time.monotonic() - started)
    return statistics.median(took)


def at_train(folder: Path, session: Path, steps: int) -> tuple[Path, RunDir]:
    """A copy of the session whose run has so many steps and still lives, as long as `held`."""
    from tunewright.engine.run.create import create
    from tunewright.engine.run.events import EventWriter, StageStarted, State, Step
    from tunewright.engine.run.process import mark
    from tunewright.engine.run.rollup import Rollups
    from tunewright.engine.run.rundir import Attempt, LaunchOptions, RunRecord, write_record

    attempt = Attempt(1, time.time() - 60, "launched", LaunchOptions(), mark())
    record = RunRecord("bench", "bench", time.time() - 60)
    run = create(folder / "runs" / "bench", session.read_bytes(), record)
    write_record(run, RunRecord("bench", "bench", record.created, (attempt,)))
    with EventWriter(run.events / "1-supervisor.jsonl") as file:
        file.write(State(state="running"))
    draw = random.Random(0)
    with EventWriter(run.events / "1-worker0.jsonl") as file:
        file.write(StageStarted(stage="train", title="train"))
        for number in range(1, steps + 1):
            file.write(
                Step(
                    step=number,
                    total_steps=2 * steps,
                    epoch=round(number / steps, 4),
                    loss=0.4 + draw.random() / (1 + number / 1e4),
                    learning_rate=1e-4,
                    grad_norm=draw.random(),
                    tokens=number * 512,
                    tokens_per_second=round(900 + draw.random() * 100, 2),
                    step_seconds=0.5,
                    eta_seconds=0.5 * steps,
                    host_bytes=10**9,
                )
            )
    # As the supervisor of such a run has kept it.
    Rollups(run.events).keep_up()
    copy = folder / "bench" / "session.json"
    copy.parent.mkdir()
    copy.write_bytes(session.read_bytes())
    place = {"step": "train", "run": str(run.path)}
    copy.with_name("session.place.json").write_text(json.dumps(place))
    return copy, run


class Growing:
    """Writes a step every half second to a run that lives as long as this does."""

    def __init__(self, run: RunDir) -> None:
        from tunewright.engine.run.lock import take_lock

        lock = take_lock(run.lock, patience=5.0)
        assert lock is not None
        self._lock = lock
        self._run = run
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        from tunewright.engine.run.events import EventWriter
        from tunewright.engine.run.progress import last_step

        last = last_step(self._run)
        assert last is not None
        number = last.step
        with EventWriter(self._run.events / "1-worker0.jsonl") as file:
            while not self._stop.wait(0.5):
                number += 1
                loss = 0.4 + random.random() / 10
                values = {"step": number, "loss": loss, "tokens": number * 512}
                file.write(msgspec.structs.replace(last, **values))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._lock)


def attached(session: Path, base: Environment) -> tuple[float, float, float]:
    """Seconds from the first frame, where Textual's import begins, to a curve of the whole run and
    to the exact one; the most MiB that the process held."""
    with Terminal([PROGRAM, "--session", str(session)], base) as terminal:
        began = terminal.until("opening")
        drawn = terminal.until("loss") - began
        exact = terminal.until("each step") - began
        terminal.read(1)
        return drawn, exact, most_held(terminal.process.pid)


def most_held(pid: int) -> float:
    """The most MiB that a process held so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


# Keys and what answers each, beginning on live Train: zooms and scale of the curve, panes, a list.
ANSWERS = [
    ("z", "loss, last 50 %"), ("z", "loss, last 20 %"), ("l", "20 %, log"), ("9", "[9 Runs]"),
    ("6", "[6 Train]"), ("z", " 5 %, log"), ("5", "[5 Method]"), ("j", ">"), ("j", ">"),
    ("k", ">"), ("1", "[1 Machine]"), ("6", "[6 Train]"), ("?", "Train:"), ("\x1b", "[6 Train]"),
]  # fmt: skip


def slow_answers(session: Path, base: Environment) -> tuple[list[float], list[int], float]:
    """Over the slow line, on a live run: seconds from each key to the screen that answers it, bytes
    of each answer, and bytes a second that the live values of Train take."""
    took, sent = [], []
    with SlowLine([PROGRAM, "--session", str(session)], base) as terminal:
        terminal.until("each step")
        terminal.read(6)
        before, started = terminal.bytes_carried, time.monotonic()
        terminal.read(20)
        live = (terminal.bytes_carried - before) / (time.monotonic() - started)
        for at, (key, text) in enumerate(ANSWERS):
            # At any moment of the live values' second.
            terminal.read(2.5 + 0.13 * at)
            marked, carried = terminal.cursor_line(), terminal.bytes_carried
            started = time.monotonic()
            terminal.press(key)
            while text not in terminal.shown or (text == ">" and terminal.cursor_line() == marked):
                terminal.read(0.01)
                assert time.monotonic() - started < 60, f"{key!r} is not answered"
            took.append(time.monotonic() - started)
            terminal.read(0.3)
            sent.append(terminal.bytes_carried - carried)
    return took, sent, live


def held_key(session: Path, base: Environment, seconds: float = 4.0) -> float:
    """Seconds from letting go of a key that was held, 30 times a second, in a list of Method over
    the slow line, until another one is answered: what had been queued meanwhile."""
    with SlowLine([PROGRAM, "--session", str(session)], base) as terminal:
        terminal.until("each step")
        terminal.press("5")
        terminal.until("[5 Method]")
        terminal.read(3)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key in "jk":
                terminal.press(key)
                terminal.read(1 / 30)
        started = time.monotonic()
        terminal.press("1")
        terminal.until("[1 Machine]")
        return time.monotonic() - started


@contextlib.contextmanager
def training(session: Path, base: Environment) -> Iterator[Callable[[float], float]]:
    """A detached run without end, of the tiny model; gives its steps a second over so long."""
    from tunewright.engine.run.progress import last_step
    from tunewright.engine.run.rundir import RunDir

    words = ["--replay", str(session), "--stages", "train", "--set", "max_steps=100000",
             "--set", "eval_strategy=no", "--set", "load_best_model_at_end=false",
             "--set", "save_steps=100000", "--detach", "--json"]  # fmt: skip
    started = subprocess.check_output([PROGRAM, *words], env=base, stderr=subprocess.DEVNULL)
    run = RunDir(Path(json.loads(started)["path"]))

    def pace(over: float) -> float:
        before, at = last_step(run), time.monotonic()
        time.sleep(over)
        now = last_step(run)
        assert before is not None
        assert now is not None
        return (now.step - before.step) / (time.monotonic() - at)

    try:
        while last_step(run) is None:
            time.sleep(0.5)
        yield pace
    finally:
        subprocess.run([PROGRAM, "stop", str(run.path)], env=base, check=False, capture_output=True)
        subprocess.run([PROGRAM, "wait", str(run.path)], env=base, check=False, capture_output=True)


def on_train(terminal: Terminal) -> None:
    """Open the run in progress, which is offered first."""
    terminal.until("enter watches it")
    terminal.press("\r")
    terminal.until("RUNNING")


def stalled(session: Path, base: Environment, seconds: float = 60.0) -> tuple[float, float, float]:
    """Steps a second of a real run while nobody reads the terminal that watches it, beside that of
    the same run without a terminal, before and after it; and seconds to the first key after it."""
    with training(session, base) as pace:
        alone = pace(seconds / 2)
        with Terminal([PROGRAM, "--session", str(session)], base) as terminal:
            on_train(terminal)
            watched = pace(seconds)
            began = time.monotonic()
            terminal.press("9")
            terminal.until("[9 Runs]")
            woke = time.monotonic() - began
        return watched, (alone + pace(seconds / 2)) / 2, woke


def watched_from_afar(
    session: Path,
    base: Environment,
    pairs: Callable[..., tuple[float, float, str]],
    seconds: float = 10.0,
) -> tuple[float, float, str]:
    """Steps a second of a real run with a screen on it over the slow line, and without any, in
    alternating stretches of so long."""
    with training(session, base) as pace:

        def watched() -> float:
            with SlowLine([PROGRAM, "--session", str(session)], base) as terminal:
                on_train(terminal)
                ended = threading.Event()
                person = threading.Thread(target=_look_on, args=(terminal, ended))
                person.start()
                try:
                    return pace(seconds)
                finally:
                    ended.set()
                    person.join()

        return pairs(watched, lambda: pace(seconds), 7)


def _look_on(terminal: Terminal, ended: threading.Event) -> None:
    while not ended.is_set():
        terminal.read(0.5)


def bench_attach(row: Callable[..., None], session: Path, count: int = 1_000_000) -> None:
    """A run of a million steps, opened; then what Train costs while it goes on."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        base = environment(home)
        os.environ["TUNEWRIGHT_HOME"] = folder
        empty, short = at_train(home, session, 3)
        with Growing(short):
            found = [attached(empty, base) for _ in range(3)]
        less = statistics.median(held for _, _, held in found)
        shutil.rmtree(short.path)
        shutil.rmtree(empty.parent)
        copy, run = at_train(home, session, count)
        with Growing(run):
            found = [attached(copy, base) for _ in range(5)]
            drawn, exact, held = (statistics.median(values) for values in zip(*found, strict=True))
            told = f"{exact:.2f} s to the exact curve; adds {held - less:.0f} MiB"
            row(f"attach to {count:,} events: curve after (s)", drawn, None, told)
            rate, core = traffic(copy, "6", base, 30.0)
            row("live Train, bytes/s at 80x24", rate, None, f"{100 * core:.1f} % of a core")
            took, sent, rate = slow_answers(copy, base)
            told = f"longest {max(took):.2f}; {2 * DELAY_SECONDS:g} s of it are the line's delay; "
            told += f"{statistics.median(sent):.0f} bytes an answer, at most {max(sent)}"
            row("key over 200 ms, 5 KB/s: answer (s)", statistics.median(took), None, told)
            row("... after a key was held for 4 s (s)", held_key(copy, base))
            row("... live Train there, bytes/s", rate)


def bench_stalled(row: Callable[..., None], session: Path) -> None:
    """A terminal that nobody reads for a minute, on a run."""
    with tempfile.TemporaryDirectory() as folder:
        watched, alone, woke = stalled(session, environment(Path(folder)))
        told = f"ratio {watched / alone:.3f}; the first key after it took {woke:.2f} s"
        row("steps/s, terminal stalled for 60 s / none", watched, alone, told)


def bench_afar(
    row: Callable[..., None], pairs: Callable[..., tuple[float, float, str]], session: Path
) -> None:
    """A run that is watched over a slow line."""
    with tempfile.TemporaryDirectory() as folder:
        row("steps/s, watched over a slow line / not", *watched_from_afar(
            session, environment(Path(folder)), pairs
        ))  # fmt: skip


def bench_screen(
    row: Callable[..., None], pairs: Callable[..., tuple[float, float, str]], session: Path
) -> None:
    """Print the rows of the table; `pairs` measures alternating pairs."""
    with tempfile.TemporaryDirectory() as folder:
        base = environment(Path(folder))
        frames = [first_frame(session, base) for _ in range(9)]
        row(
            "first frame (ms)",
            statistics.median(frames) * 1e3,
            None,
            f"max {max(frames) * 1e3:.0f}",
        )
        ours, plain, told = pairs(lambda: usable(session, base), lambda: hello(base), 9)
        row("usable paint / Textual hello (s)", ours, plain, told)
        ours, plain, told = pairs(lambda: live(session, base), lambda: hello(base), 9)
        row("... with the machine read / hello (s)", ours, plain, told)
        # A machine that is not here has no live values.
        still = ("--hardware", "RTX 4090")
        for key, name, words in (("2", "idle Goal", still), ("1", "live Machine", ())):
            rate, core = traffic(session, key, base, 20.0, *words)
            row(f"{name}, bytes/s at 80x24", rate, None, f"{100 * core:.1f} % of a core")
        row("key to screen (ms)", answer_time(session, base) * 1e3, None, "median of 10")
