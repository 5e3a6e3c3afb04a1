"""Machines for screens: none, one, eight and sixteen devices, some of them at work."""

from __future__ import annotations

import msgspec

from tunewright.hardware.snapshot import (
    Activity,
    Board,
    Disk,
    Gpu,
    GpuProcess,
    Host,
    MemoryHealth,
    Pair,
    Snapshot,
    Trouble,
)
from tunewright.hardware.whatif import imagine

GIB = 1 << 30
HOST = Host(
    hostname="gpu02",
    cpu_model="AMD EPYC 7763",
    cores=32,
    cpu_features=("avx2", "fma"),
    ram_total_bytes=256 * GIB,
    ram_available_bytes=200 * GIB,
    disks=(Disk("runs", "/scratch/runs", "xfs", 900 * GIB, 310 * GIB),),
)


def busy(gpu: Gpu, step: int, percent: int) -> Gpu:
    """The device with something going on: a process of alice's on each third."""
    index = gpu.index
    processes = (GpuProcess(4000 + index, (10 + index) * GIB, "alice", "python"),)
    held = processes[0].used_bytes if index % 3 == 0 else 0
    assert gpu.total_bytes is not None
    assert gpu.free_bytes is not None
    assert held is not None
    return msgspec.structs.replace(
        gpu,
        free_bytes=gpu.free_bytes - held,
        used_bytes=held,
        processes=processes if held else (),
        pci_bus_id=f"00000000:{0x17 + index:02X}:00.0",
        activity=Activity(
            gpu_percent=percent if held else 0,
            memory_percent=percent // 2,
            temperature_c=40 + index,
            power_watts=120.0 + percent,
            power_limit_watts=700.0,
            sm_mhz=1980,
            performance_state="P0",
            throttled=("power limit",) if percent > 90 else (),
            pcie_generation=5,
            pcie_width=16,
            nvlink_sent_bytes=step * 12 * 10**9,
            nvlink_received_bytes=step * 3 * 10**9,
        ),
        board=Board(
            persistence_mode=True,
            compute_mode="shared",
            display_active=False,
            sm_max_mhz=1980,
            pcie_max_generation=5,
            pcie_max_width=16,
            numa_nodes=(0 if index < 4 else 1,),
            cpus="0-15",
        ),
        health=MemoryHealth(ecc=True, corrected_ever=11, remapped_rows=1),
    )


def box(spec: str, step: int = 0) -> Snapshot:
    """The machine of `spec`, as if it were here, `step` seconds after it was first looked at."""
    machine = imagine(spec)
    percent = (10, 60, 97)[step % 3]
    pairs = tuple(
        msgspec.structs.replace(p, path="NUMA node" if (p.a < 4) == (p.b < 4) else "across sockets")
        for p in machine.pairs
    )
    return msgspec.structs.replace(
        machine,
        taken_at=1000.0 + step,
        host=HOST,
        simulated=False,
        gpus=tuple(busy(gpu, step, percent) if gpu.mig is None else gpu for gpu in machine.gpus),
        pairs=pairs,
        driver_version="580.65.06",
        cuda_version=(13, 0),
        nvml_version="13.580.65.06",
    )


def desktop() -> Snapshot:
    """Two unlike cards; the second has fallen off the bus."""
    whole = box("RTX 4090 + RTX 3090")
    lost = Trouble(
        "GPU 1 does not answer; the others are shown",
        "NVML says: GPU is lost",
        "nvidia-smi -r resets it when nothing uses it (root); else reboot, and look for 'Xid' in "
        "dmesg",
    )
    pair = Pair(0, 1, "host bridge", p2p=False, p2p_why="the chipset does not support it")
    return msgspec.structs.replace(
        whole, gpus=whole.gpus[:1], pairs=(pair,), gpu_trouble=lost, gpu_troubles=(lost,)
    )


NONE = Snapshot(
    taken_at=0.0,
    host=HOST,
    gpu_trouble=Trouble(
        "No NVIDIA GPU was found",
        "there is no NVIDIA driver library (libnvidia-ml.so.1)",
        "nothing to do on a machine without an NVIDIA GPU; else install the driver",
    ),
)
