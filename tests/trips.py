"""A slow line that is counted in round trips instead of timed: the same on a busy machine.

In one round trip keys and the terminal's answers travel up, the program does what they ask for, and
what it writes travels down: as many bytes as a line of 5 KB/s carries in its delay of twice 200 ms.
The rest waits for the next one. A trip also ends when the program has nothing more to say, which is
seen by its threads: all of them sleep.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from terminal import PATIENCE, Terminal, without_queries

CARRIED_BYTES = 2_000
_PIECE = 100
# Looks at a program that is asleep and silent before it is taken at its word.
_LOOKS, _LOOK_SECONDS = 15, 0.02
_FEW_LOOKS = 5


class Trips(Terminal):
    """`Terminal` behind such a line; `written` counts what the program has put on it."""

    def __init__(self, *words: Any, **options: Any) -> None:
        self._up: list[str] = []
        self._down = b""
        self.written = 0
        super().__init__(*words, **options)

    def press(self, keys: str) -> None:
        self._up.append(keys)

    def read(self, seconds: float) -> int:
        return self.trip()

    def trips_until(self, shown: Callable[[], bool]) -> int:
        """Round trips until something is shown."""
        count, end = 0, time.monotonic() + PATIENCE
        while not shown():
            assert time.monotonic() < end, f"never shown:\n{self.shown}"
            self.trip(shown)
            count += 1
        return count

    def unseen(self, keys: str) -> None:
        """Keys that reach the program at once, while the line carries nothing back: held keys."""
        os.write(self.master, keys.encode())
        silent = 0
        while silent < _FEW_LOOKS:
            before = self.written
            time.sleep(_LOOK_SECONDS)
            self._take()
            silent = silent + 1 if self.written == before and self._asleep() else 0

    def trip(self, wanted: Callable[[], bool] = lambda: False) -> int:
        """One round trip, or as much of it as it takes until `wanted`; the bytes that arrived."""
        up, self._up = self._up, []
        for keys in up:
            os.write(self.master, keys.encode())
        arrived, silent = 0, 0
        while arrived < CARRIED_BYTES and silent < _LOOKS and not wanted():
            self._take()
            if not self._down:
                # The emulator answers at once; its answers wait for the next trip.
                silent = silent + 1 if self._asleep() else 0
                time.sleep(_LOOK_SECONDS)
                continue
            silent = 0
            piece, self._down = self._down[:_PIECE], self._down[_PIECE:]
            arrived += len(piece)
            self.sent += piece
            self.feed(piece)
        return arrived

    def _take(self) -> None:
        while select.select([self.master], [], [], 0)[0]:
            try:
                taken = os.read(self.master, 65536)
            except OSError:
                return
            self.written += len(taken)
            # The emulator knows these only where they are whole.
            self._down += without_queries(taken)

    def _asleep(self) -> bool:
        for task in Path(f"/proc/{self.process.pid}/task").glob("*/stat"):
            try:
                state = task.read_text().rpartition(") ")[2][0]
            except OSError:
                continue
            if state in "RD":
                return False
        return True
