"""Reads this machine into one `Snapshot`."""

from __future__ import annotations

import time

from tunewright.hardware.host import read_host
from tunewright.hardware.nvml import read_gpus
from tunewright.hardware.snapshot import Snapshot


def take_snapshot() -> Snapshot:
    """The host and its visible GPUs now. Never raises for the state of the machine: what could not
    be read is None with a reason in `unknown`, or a `gpu_trouble`."""
    reading = read_gpus()
    return Snapshot(
        taken_at=time.time(),
        host=read_host(),
        gpus=reading.gpus,
        driver_version=reading.driver_version,
        cuda_version=reading.cuda_version,
        gpu_trouble=reading.trouble,
    )
