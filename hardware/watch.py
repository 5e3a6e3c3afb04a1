"""A machine that is looked at again and again: read whole once, then only what changes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from tunewright.hardware.live import LiveReader, with_live
from tunewright.hardware.snapshot import Snapshot
from tunewright.hardware.take import take_snapshot

# Clocks, links, slices, disks and health are read whole again after so long.
WHOLE_SECONDS = 60.0


class Watch:
    """Call it for the machine now. One thread at a time; `close` lets go of NVML."""

    def __init__(self, places: Mapping[str, Path] | None = None) -> None:
        self._places = places
        self._reader = LiveReader()
        self._whole: Snapshot | None = None
        self._read_at = 0.0

    def __call__(self) -> Snapshot:
        """The machine now; never raises for its state."""
        whole, now = self._whole, time.monotonic()
        if whole is None or now - self._read_at > WHOLE_SECONDS:
            whole = self._whole = take_snapshot(self._places)
            self._read_at = now
        return with_live(whole, self._reader.read())

    def close(self) -> None:
        """Stop NVML."""
        self._reader.close()
