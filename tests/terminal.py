"""The real program in a real pseudo terminal, read through a terminal emulator."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import pyte

PATIENCE = 60.0


class _Screen(pyte.Screen):
    """Answers what a terminal answers: where its cursor stands."""

    def __init__(self, columns: int, lines: int, answer: Callable[[str], None]) -> None:
        super().__init__(columns, lines)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        self._answer(data)


class Terminal:
    """`words` running at `columns` x `lines`; `shown` is what a person would see now."""

    def __init__(
        self,
        words: Sequence[str],
        environment: dict[str, str],
        columns: int = 80,
        lines: int = 24,
        cwd: Path | None = None,
    ) -> None:
        self.screen = _Screen(columns, lines, self.press)
        self._stream = pyte.ByteStream(self.screen)
        self.words, self.environment = words, environment
        self.sent = b""
        self.started = time.monotonic()
        self.master, slave = pty.openpty()
        self._size(columns, lines)
        self.process = subprocess.Popen(
            list(words),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={"TERM": "xterm-256color", **environment},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def read(self, seconds: float) -> int:
        """Take what comes within `seconds`; the number of bytes."""
        end, count = time.monotonic() + seconds, 0
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self.master], [], [], left)
            if not ready:
                break
            try:
                piece = os.read(self.master, 65536)
            except OSError:
                break
            if not piece:
                break
            count += len(piece)
            self.sent += piece
            self.feed(piece)
        return count

    def feed(self, piece: bytes) -> None:
        """Have the emulator show what came."""
        self._stream.feed(without_queries(piece))

    @property
    def shown(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, text: str, patience: float = PATIENCE) -> float:
        """Wait until `text` stands on the screen; seconds since the start."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if text in self.shown:
                return time.monotonic() - self.started
            self.read(0.02)
        raise AssertionError(f"never shown: {text!r}\n{self.shown}")

    def cursor_line(self) -> str:
        """The line of a list that its cursor `>` marks; "" when there is none."""
        lines = (line for line in self.screen.display if line.lstrip().startswith("> "))
        return next(lines, "")

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        self._size(columns, lines)
        self.screen.resize(lines, columns)
        os.killpg(self.process.pid, signal.SIGWINCH)

    def _size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def ended(self, patience: float = PATIENCE) -> int:
        """Read until the program has ended; its exit code."""
        end = time.monotonic() + patience
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        assert self.process.returncode is not None, f"still there:\n{self.shown}"
        self.read(0.05)
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def without_queries(piece: bytes) -> bytes:
    """Requests to the terminal that the emulator would draw as text."""
    for query in (b"\x1b[?2026$p", b"\x1b[?2048$p", b"\x1b[>4;2m", b"\x1b[>1u", b"\x1b[<u"):
        piece = piece.replace(query, b"")
    return piece
