"""Whole machines for the stub driver, as scenario text; figures are of the kind such boxes show."""

from __future__ import annotations

MIB = 1 << 20

# What a data-centre board answers besides its memory; {…} by `_h100`.
_H100 = """\
gpu NVIDIA H100 80GB HBM3
uuid GPU-5a1f0000-0000-0000-0000-{index:012d}
pci {bus}
memory {total} {free} {used}
capability 9 0
set nvmlDeviceGetArchitecture 9
set nvmlDeviceGetUtilizationRates 37 12
set nvmlDeviceGetTemperature 41
set nvmlDeviceGetTemperatureThreshold 92 87
set nvmlDeviceGetPowerUsage 118500
set nvmlDeviceGetEnforcedPowerLimit 700000
set nvmlDeviceGetPowerManagementDefaultLimit 700000
set nvmlDeviceGetPowerManagementLimitConstraints 200000 700000
set nvmlDeviceGetPerformanceState 0
set nvmlDeviceGetClockInfo 1980 1980 2619
set nvmlDeviceGetMaxClockInfo 1980 1980 2619
set nvmlDeviceGetCurrentClocksThrottleReasons 4
set nvmlDeviceGetCurrPcieLinkGeneration 5
set nvmlDeviceGetMaxPcieLinkGeneration 5
set nvmlDeviceGetCurrPcieLinkWidth 16
set nvmlDeviceGetMaxPcieLinkWidth 16
set nvmlDeviceGetPersistenceMode 1
set nvmlDeviceGetComputeMode 0
set nvmlDeviceGetDisplayMode 0
set nvmlDeviceGetDisplayActive 0
set nvmlDeviceGetEccMode 1 1
set nvmlDeviceGetTotalEccErrors 3 0 11 0
set nvmlDeviceGetRemappedRows 1 0 0 0
set nvmlDeviceGetMigMode 0 0
set nvmlDeviceGetMemoryAffinity {node_set}
set nvmlDeviceGetCpuAffinity {cpu_set}
set nvmlDeviceGetNvLinkVersion 6
set field90 26562
set field138 {sent}
set field139 2048
"""
_HEAD = "driver 580.65.06\nnvml 13.580.65.06\ncuda 13000\n"
_H100_MIB = 81559


def h100_box(count: int = 8, *, busy: int | None = None) -> str:
    """`count` H100 SXM behind NVSwitch, half on each socket; pid 1 holds 60 GiB on GPU `busy`."""
    lines = [_HEAD]
    for a in range(count):
        for b in range(a + 1, count):
            same_socket = (a < count // 2) == (b < count // 2)
            lines.append(f"near {a} {b} {40 if same_socket else 50}\n")
    for index in range(count):
        total = _H100_MIB * MIB
        used = (60 << 30) if index == busy else 4 * MIB
        socket = 0 if index < count // 2 else 1
        lines.append(
            _H100.format(
                index=index,
                bus=f"00000000:{0x17 + index:02X}:00.0",
                total=total,
                free=total - used - 500 * MIB,
                used=used,
                node_set=1 << socket,
                cpu_set=0xFFFF << (16 * socket),
                sent=1000 + index,
            )
        )
        lines.append("link up switch\n" * 18)
        if index == busy:
            lines.append(f"process 1 {60 << 30}\n")
    return "".join(lines)


def h100_mig(slices: int = 2) -> str:
    """One H100 in MIG mode with `slices` of 3g.40gb, and one that is whole."""
    box = h100_box(2).replace("set nvmlDeviceGetMigMode 0 0", "set nvmlDeviceGetMigMode 1 1", 1)
    first, second = box.split("gpu NVIDIA H100")[1:]
    parts = "".join(
        f"slice NVIDIA H100 80GB HBM3 MIG 3g.40gb\nuuid MIG-0000000{number}-1111-2222\n"
        f"memory {40320 * MIB} {40000 * MIB} {44 * MIB}\nattributes 60 3 3 40448\n"
        f"set nvmlDeviceGetGpuInstanceId {number + 1}\nset nvmlDeviceGetComputeInstanceId 0\n"
        for number in range(slices)
    )
    head = box.split("gpu NVIDIA H100")[0]
    return f"{head}gpu NVIDIA H100{first}{parts}gpu NVIDIA H100{second}"


def desktop(foreign_pid: int = 1) -> str:
    """A 3090 that drives a screen and holds another person's process, and an idle 4090."""
    return _HEAD + (
        "near 0 1 30\np2p 0 1 5\n"
        "gpu NVIDIA GeForce RTX 3090\nuuid GPU-30900000-aaaa\npci 00000000:01:00.0\n"
        f"memory {24576 * MIB} {14000 * MIB} {10200 * MIB}\ncapability 8 6\n"
        "set nvmlDeviceGetFanSpeed 62\nset nvmlDeviceGetDisplayMode 1\n"
        "set nvmlDeviceGetDisplayActive 1\nset nvmlDeviceGetCurrentClocksThrottleReasons 96\n"
        f"process {foreign_pid} {9 << 30}\ngraphics {foreign_pid} {9 << 30}\n"
        "gpu NVIDIA GeForce RTX 4090\nuuid GPU-40900000-bbbb\npci 00000000:02:00.0\n"
        f"memory {24564 * MIB} {24100 * MIB} {4 * MIB}\ncapability 8 9\n"
        "set nvmlDeviceGetDisplayMode 0\nset nvmlDeviceGetDisplayActive 0\n"
        "set nvmlDeviceGetCurrentClocksThrottleReasons 1\n"
    )


def spark() -> str:
    """A GB10, whose NVML answers "not supported" for memory."""
    return _HEAD + (
        "gpu NVIDIA GB10\nuuid GPU-10100000-cccc\ncapability 12 1\n"
        "fail nvmlDeviceGetMemoryInfo_v2 3\nfail nvmlDeviceGetMemoryInfo 3\n"
    )


def grace(node: int) -> str:
    """A GH200 whose memory the kernel holds as a memory node, and NVML does not tell."""
    return _HEAD + (
        "gpu NVIDIA GH200 480GB\nuuid GPU-20000000-dddd\ncapability 9 0\n"
        "fail nvmlDeviceGetMemoryInfo_v2 3\nfail nvmlDeviceGetMemoryInfo 3\n"
        f"set nvmlDeviceGetNumaNodeId {node}\n"
    )


def orin() -> str:
    """An AGX Orin, whose NVML names the part of the chip and knows next to nothing."""
    return _HEAD + (
        "gpu Orin (nvgpu)\nuuid GPU-30000000-eeee\n"
        "fail nvmlDeviceGetMemoryInfo_v2 3\nfail nvmlDeviceGetMemoryInfo 3\n"
        "fail nvmlDeviceGetCudaComputeCapability 3\n"
    )
