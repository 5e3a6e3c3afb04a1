"""What the devices of a machine did lately: one sample a reading, kept for a few minutes."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tunewright.hardware.snapshot import Activity, Gpu, Snapshot

SAMPLES = 300
# From nothing to all; each has a character of its own on a terminal without Unicode.
_LEVELS = " ▁▂▃▅▆▇█"


class Sample(NamedTuple):
    """Shares from 0 to 1; None where the driver did not tell. Link rates in byte/s, one way."""

    use: float | None
    memory: float | None
    sent: float | None = None
    received: float | None = None


class History:
    """Samples by device. Readings of the same moment count once."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[Sample]] = {}
        self._last: Snapshot | None = None
        # Shares of the host's memory that are taken.
        self.host: deque[float | None] = deque(maxlen=SAMPLES)

    def add(self, snapshot: Snapshot) -> None:
        """Take a reading; devices that are gone are forgotten."""
        before = self._last
        if before is not None and before.taken_at == snapshot.taken_at:
            return
        self._last = snapshot
        total = snapshot.host.ram_total_bytes
        self.host.append(1 - snapshot.host.ram_available_bytes / total if total else None)
        earlier = {_name(gpu): gpu for gpu in before.gpus} if before is not None else {}
        seconds = snapshot.taken_at - before.taken_at if before is not None else 0.0
        devices = (*snapshot.gpus, *snapshot.split)
        kept = {_name(gpu): self._samples.get(_name(gpu)) for gpu in devices}
        self._samples = {n: s if s is not None else deque(maxlen=SAMPLES) for n, s in kept.items()}
        for gpu in devices:
            self._samples[_name(gpu)].append(_sample(gpu, earlier.get(_name(gpu)), seconds))

    def of(self, gpu: Gpu) -> tuple[Sample, ...]:
        """The samples of a device, oldest first."""
        return tuple(self._samples.get(_name(gpu), ()))


def _name(gpu: Gpu) -> str:
    return gpu.uuid or gpu.label


def _sample(gpu: Gpu, before: Gpu | None, seconds: float) -> Sample:
    doing = gpu.activity or Activity()
    then = (before.activity if before is not None else None) or Activity()

    def rate(now: int | None, earlier: int | None) -> float | None:
        # Counters start anew when the driver is loaded anew.
        if now is None or earlier is None or seconds <= 0 or now < earlier:
            return None
        return (now - earlier) / seconds

    return Sample(
        use=None if doing.gpu_percent is None else doing.gpu_percent / 100,
        memory=memory_share(gpu),
        sent=rate(doing.nvlink_sent_bytes, then.nvlink_sent_bytes),
        received=rate(doing.nvlink_received_bytes, then.nvlink_received_bytes),
    )


def memory_share(gpu: Gpu) -> float | None:
    """How much of a device's memory is taken, 0 to 1."""
    if gpu.free_bytes is None or not gpu.total_bytes:
        return None
    return min(1.0, max(0.0, 1 - gpu.free_bytes / gpu.total_bytes))


def spark(shares: list[float | None], width: int) -> str:
    """The latest `width` shares as bars, right-aligned; a dot where nothing is known."""
    shown = shares[-width:]
    text = "".join("·" if share is None else _level(share) for share in shown)
    return text.rjust(width)


def _level(share: float) -> str:
    # What is there at all is seen: only nothing is drawn as nothing.
    return _LEVELS[min(len(_LEVELS) - 1, 0 if share <= 0 else max(1, round(share * 7)))]
