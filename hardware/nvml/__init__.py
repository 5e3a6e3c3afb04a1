"""The one door to NVML (nvidia-ml-py): `read_gpus`. Nothing of pynvml leaves this package."""

from tunewright.hardware.nvml.read import NvmlReading, read_gpus

__all__ = ["NvmlReading", "read_gpus"]
