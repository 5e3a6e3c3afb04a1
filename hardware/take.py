"""Reads this machine into one `Snapshot`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from tunewright.hardware.host import read_host
from tunewright.hardware.nvml import read_gpus
from tunewright.hardware.snapshot import Snapshot
from tunewright.hardware.unified import on_tegra, shown_by_cuda, tegra_gpu, with_host_memory


def take_snapshot(places: Mapping[str, Path] | None = None) -> Snapshot:
    """The host and its visible GPUs now, with the file systems under `places` (what it is for ->
    folder, which need not exist yet).

    Never raises for the state of the machine: what could not be read is None with a reason in
    `unknown`, or a trouble.
    """
    reading = read_gpus()
    host = read_host(places or {})
    gpus, troubles = reading.gpus, reading.troubles
    tegra = tegra_gpu()
    if tegra is not None and not gpus and not reading.hidden:
        # Older systems have no NVML, and some of the newer ones one that counts no GPU.
        gpus, troubles = shown_by_cuda(tegra, os.environ)
    gpus = on_tegra(gpus, tegra)
    return Snapshot(
        taken_at=time.time(),
        host=host,
        gpus=with_host_memory(gpus, host),
        driver_version=reading.driver_version,
        cuda_version=reading.cuda_version,
        gpu_trouble=troubles[0] if troubles else None,
        nvml_version=reading.nvml_version,
        cuda_visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
        cuda_device_order=os.environ.get("CUDA_DEVICE_ORDER"),
        split=reading.split,
        hidden=reading.hidden,
        pairs=reading.pairs,
        gpu_troubles=troubles,
    )
