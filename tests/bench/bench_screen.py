"""What the screens cost: first frame, usable paint, bytes on the line, keys over a slow one."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from terminal import Terminal

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


def hello(base: Environment) -> float:
    return seconds_until([sys.executable, "-c", HELLO], "hello there", base)


def traffic(
    session: Path, key: str, base: Environment, seconds: float = 20.0
) -> tuple[float, float]:
    """(bytes a second, share of a core) of one pane, left alone after it has settled."""
    with Terminal([PROGRAM, "--session", str(session)], base) as terminal:
        terminal.until("enter next")
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
        for key, name in (("2", "idle pane"), ("1", "live Machine")):
            rate, core = traffic(session, key, base)
            row(f"{name}, bytes/s at 80x24", rate, None, f"{100 * core:.1f} % of a core")
        row("key to screen (ms)", answer_time(session, base) * 1e3, None, "median of 10")
