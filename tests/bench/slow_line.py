"""A slow line between the program and its terminal, as an SSH connection over a satellite is one.

What the program writes is taken at once, as sshd takes it into its buffers, and then carried at
`rate` bytes a second with `delay` seconds on its way; keys and the terminal's own answers take the
same delay back. So whoever writes without asking is never held up, and its keys wait behind it.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from pathlib import Path

from terminal import Terminal, without_queries

DELAY_SECONDS, RATE_BYTES = 0.2, 5_000
# What leaves the line at once: a packet.
_PIECE = 100


class SlowLine(Terminal):
    """`Terminal` at the far end of such a line. `read`, `until` and `press` are what a person does;
    `bytes_carried` counts what has been put on the line."""

    def __init__(
        self,
        words: list[str],
        environment: dict[str, str],
        delay: float = DELAY_SECONDS,
        rate: float = RATE_BYTES,
        cwd: Path | None = None,
    ) -> None:
        super().__init__(words, environment, cwd=cwd)
        self._delay, self._rate = delay, rate
        self._down: deque[tuple[float, bytes]] = deque()
        self._up: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self.bytes_carried = 0
        self._thread.start()

    def press(self, keys: str) -> None:
        self._up.append((time.monotonic() + self._delay, keys.encode()))

    def read(self, seconds: float) -> int:
        """Let so much time pass at the terminal; the bytes that arrived in it."""
        end, count = time.monotonic() + seconds, 0
        while True:
            while self._down and self._down[0][0] <= time.monotonic():
                piece = self._down.popleft()[1]
                count += len(piece)
                self.sent += piece
                self.feed(piece)
            left = end - time.monotonic()
            if left <= 0:
                return count
            time.sleep(min(left, 0.005))

    def _carry(self) -> None:
        while not self._ended.is_set():
            while self._up and self._up[0][0] <= time.monotonic():
                os.write(self.master, self._up.popleft()[1])
            if not select.select([self.master], [], [], 0.003)[0]:
                continue
            try:
                taken = os.read(self.master, 65536)
            except OSError:
                return
            self.bytes_carried += len(taken)
            # The emulator knows these only where they are whole.
            shown = without_queries(taken)
            for at in range(0, len(shown), _PIECE):
                piece = shown[at : at + _PIECE]
                self._free_at = max(self._free_at, time.monotonic()) + len(piece) / self._rate
                self._down.append((self._free_at + self._delay, piece))

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        super().close()
