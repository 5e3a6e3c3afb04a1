"""What the line to the terminal still carries, by the terminal's own answers. Pure: times come in.

Over SSH a write returns at once and may then wait for seconds in buffers that nobody here sees. So
with each frame the terminal is asked where its cursor stands; its answer says that the frame has
arrived. A terminal that never answers is not waited for.
"""

from __future__ import annotations

import math
from collections import deque

# Asks for a report of the cursor's position: VT100, so every terminal, tmux and screen answer it.
QUESTION = "\x1b[6n"

# So many bytes may be on their way when the next frame is sent: what a line of 5 KB/s carries in
# 0.4 s. A key is then answered at once, and a held key never queues more than this.
AHEAD_BYTES = 2048
# An answer that takes longer got lost, or the terminal never answers.
PATIENCE_SECONDS = 5.0
# Live values leave the line to keys for most of the time.
LIVE_SHARE = 0.25


class Flow:
    """See the module. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        # (bytes, when) of the frames that are not answered yet, oldest first.
        self._open: deque[tuple[int, float]] = deque()
        self._answers = False
        self._silent = False
        self._live: dict[str, float] = {}
        self.seconds = 0.0

    @property
    def asks(self) -> bool:
        """Whether the next frame should carry the question."""
        return not self._silent

    @property
    def waiting(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._open)

    def sent(self, count: int, now: float) -> None:
        """A frame of `count` bytes was written, with the question."""
        self._open.append((count, now))

    def answered(self, now: float) -> None:
        """The terminal has answered the oldest question."""
        self._answers = True
        if self._open:
            self.seconds = now - self._open.popleft()[1]

    def free(self, now: float) -> bool:
        """Whether a frame may be sent now."""
        if self._open and now - self._open[0][1] > PATIENCE_SECONDS:
            self._open.clear()
            self._silent = not self._answers
        return not self._answers or sum(count for count, _ in self._open) <= AHEAD_BYTES

    def live(self, what: str, now: float) -> bool:
        """Whether live values of a kind may be drawn now: the slower the line, the less often. A
        yes counts as having drawn them."""
        if not self.free(now) or now - self._live.get(what, -math.inf) < self.seconds / LIVE_SHARE:
            return False
        self._live[what] = now
        return True
