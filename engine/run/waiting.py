"""Waiting for a device: until the memory that a run needs is free on it. No torch, no CUDA context:
NVML alone is asked, so waiting takes nothing from whoever is at work there."""

from __future__ import annotations

import msgspec

from tunewright.engine.devices.busy import holders
from tunewright.engine.devices.planned import planned_gpus, waits
from tunewright.engine.plan import Plan
from tunewright.engine.session import Session
from tunewright.engine.text import size
from tunewright.hardware.live import LiveReader, with_live
from tunewright.hardware.snapshot import Snapshot

# How often the device is asked.
SECONDS = 1.0


class Wait:
    """What the supervisor waits for before it starts a worker."""

    def __init__(self, plan: Plan, machine: Snapshot) -> None:
        self._plan = plan
        # Of a machine as it was planned on: only devices that are still here are renewed.
        self._machine = msgspec.structs.replace(machine, simulated=False)
        self._reader = LiveReader()
        self.needed = plan.chosen().estimate.safe_bytes

    @classmethod
    def of(cls, session: Session) -> Wait | None:
        """None for a session whose plan does not wait."""
        if session.plan is None or session.recorded is None or not waits(session.plan):
            return None
        return cls(session.plan, session.recorded.snapshot)

    def reason(self) -> str:
        """Why the run cannot start yet, in words; "" when it can, or when nobody can tell."""
        now = with_live(self._machine, self._reader.read())
        # A device that does not answer is the worker's to report: waiting would never end.
        known = [gpu for gpu in planned_gpus(self._plan, now) if gpu.free_bytes is not None]
        gpu = min(known, key=lambda gpu: gpu.free_bytes or 0, default=None)
        if gpu is None or gpu.free_bytes is None or gpu.free_bytes >= self.needed:
            return ""
        who = holders(gpu)
        return (
            f"waits for GPU {gpu.label}: {size(self.needed)} are needed, {size(gpu.free_bytes)} "
            "are free" + (f"; {who}" if who else "")
        )

    def close(self) -> None:
        """Let go of NVML."""
        self._reader.close()
