"""Whole machines: links, slices, displays, old drivers, many devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from stub_nvml import SNAPSHOT
from stub_nvml.machines import MIB, desktop, grace, h100_box, h100_mig, orin, spark

from tunewright.hardware.catalogue import part_of
from tunewright.hardware.snapshot import Gpu, NumaNode, Snapshot
from tunewright.hardware.unified import on_tegra, shown_by_cuda, tegra_gpu, with_host_memory

Read = Callable[..., dict[str, Any]]


def test_everything_about_an_h100_is_read(read_stub: Read) -> None:
    reading = read_stub(h100_box())
    assert len(reading["gpus"]) == 8
    assert reading["nvml_version"] == "13.580.65.06"
    gpu = reading["gpus"][5]
    assert gpu["pci_bus_id"] == "00000000:1C:00.0"
    assert gpu["architecture"] == "Hopper"
    assert gpu["unknown"] == {}
    assert gpu["reserved_bytes"] == 500 * MIB
    assert gpu["can"] == {
        "fp16": True, "int8": True, "bf16": True, "tf32": True, "flash-attention": True,
        "fp8": True, "fp4": False,
    }  # fmt: skip
    now = gpu["activity"]
    assert (now["gpu_percent"], now["memory_percent"], now["temperature_c"]) == (37, 12, 41)
    assert (now["power_watts"], now["power_limit_watts"]) == (118.5, 700.0)
    assert (now["sm_mhz"], now["memory_mhz"], now["performance_state"]) == (1980, 2619, "P0")
    assert now["throttled"] == ["power limit"]
    assert (now["pcie_generation"], now["pcie_width"]) == (5, 16)
    assert now["nvlink_sent_bytes"] == 1005 * 1024
    # The board has no fan, and that is said.
    assert now["fan_percent"] is None
    assert now["unknown"] == {"fan_percent": "NVML says: Not Supported"}
    board = gpu["board"]
    assert (board["persistence_mode"], board["compute_mode"]) == (True, "shared")
    assert (board["display_connected"], board["display_active"]) == (False, False)
    assert (board["slows_at_c"], board["power_max_watts"]) == (87, 700.0)
    assert (board["pcie_max_generation"], board["pcie_max_width"]) == (5, 16)
    assert (board["numa_nodes"], board["cpus"]) == ([1], "16-31")
    health = gpu["health"]
    assert (health["ecc"], health["corrected"], health["uncorrected"]) == (True, 3, 0)
    assert (health["corrected_ever"], health["remapped_rows"]) == (11, 1)
    assert (health["remap_pending"], health["remap_failed"]) == (False, False)
    assert health["unknown"]["retired_pages"] == "NVML says: Not Supported"


def test_links_lead_to_the_switch_and_every_pair_has_its_path(read_stub: Read) -> None:
    reading = read_stub(h100_box())
    link = reading["gpus"][0]["nvlink"]
    assert (link["links"], link["active"], link["version"]) == (18, 18, "4.0")
    assert link["peers"] == {"NVSwitch": 18}
    assert link["link_bytes_per_second"] == 26_562_000_000
    pairs = {(pair["a"], pair["b"]): pair for pair in reading["pairs"]}
    assert len(pairs) == 28
    assert pairs[0, 3]["path"] == "NUMA node"
    assert pairs[0, 4]["path"] == "across sockets"
    assert {pair["nvlinks"] for pair in pairs.values()} == {18}
    assert {pair["p2p"] for pair in pairs.values()} == {True}


def test_a_bridge_counts_the_links_between_two_gpus(read_stub: Read) -> None:
    a, b = "00000000:01:00.0", "00000000:02:00.0"
    reading = read_stub(
        f"gpu A\npci {a}\nlink up {b}\nlink up {b}\nlink down\n"
        f"gpu B\npci {b}\nlink up {a}\nlink up {a}\nlink down\ngpu C\npci 00000000:03:00.0\n"
    )
    links = [gpu["nvlink"] for gpu in reading["gpus"]]
    assert (links[0]["links"], links[0]["active"], links[0]["peers"]) == (3, 2, {b: 2})
    assert links[2] is None
    assert [pair["nvlinks"] for pair in reading["pairs"]] == [2, 0, 0]


def test_a_slice_is_a_device_and_its_gpu_is_not(read_stub: Read) -> None:
    reading = read_stub(h100_mig())
    first, second, whole = reading["gpus"]
    assert [gpu["index"] for gpu in reading["gpus"]] == [0, 0, 1]
    assert first["uuid"] == "MIG-00000000-1111-2222"
    assert first["total_bytes"] == 40320 * MIB
    assert first["free_bytes"] == 40000 * MIB
    assert first["compute_capability"] == [9, 0]
    assert first["can"]["fp8"] is True
    assert second["mig"] == {
        "number": 1,
        "parent_uuid": "GPU-5a1f0000-0000-0000-0000-000000000000",
        "profile": "3g.40gb",
        "gpu_instance": 2,
        "compute_instance": 0,
        "multiprocessors": 60,
    }
    assert whole["mig"] is None
    assert [gpu["index"] for gpu in reading["split"]] == [0]
    assert reading["trouble"] is None


def test_a_slice_whose_name_tells_no_profile_is_named_by_its_size(read_stub: Read) -> None:
    machine = h100_mig(1).replace("slice NVIDIA H100 80GB HBM3 MIG 3g.40gb", "slice NVIDIA H100")
    part = read_stub(machine)["gpus"][0]
    assert part["mig"]["profile"] == "3g.40gb"


def test_mig_mode_without_a_slice_says_how_to_make_one(read_stub: Read) -> None:
    reading = read_stub(h100_mig(0))
    assert [gpu["index"] for gpu in reading["gpus"]] == [1]
    assert "GPU 0 is in MIG mode" in reading["trouble"]["what"]
    assert "nvidia-smi mig" in reading["trouble"]["cure"]


@pytest.mark.parametrize(
    ("value", "uuids"),
    [
        ("MIG-00000001", ["MIG-00000001-1111-2222"]),
        ("MIG-GPU-5a1f0000-0000-0000-0000-000000000000/1/0", ["MIG-00000000-1111-2222"]),
        ("0", ["MIG-00000000-1111-2222"]),
        ("1", ["GPU-5a1f0000-0000-0000-0000-000000000001"]),
        ("MIG-0000000", []),
    ],
)
def test_cuda_visible_devices_names_slices(read_stub: Read, value: str, uuids: list[str]) -> None:
    reading = read_stub(h100_mig(), CUDA_VISIBLE_DEVICES=value)
    assert [gpu["uuid"] for gpu in reading["gpus"]] == uuids
    assert len(reading["hidden"]) == 3 - len(uuids)


def test_cuda_shows_one_slice_only(read_stub: Read) -> None:
    reading = read_stub(h100_mig(), CUDA_VISIBLE_DEVICES="MIG-00000001,MIG-00000000")
    assert [gpu["uuid"] for gpu in reading["gpus"]] == ["MIG-00000001-1111-2222"]
    assert "one MIG slice" in reading["trouble"]["why"]


def test_a_desktop_shows_its_screen_and_why_it_is_slow(read_stub: Read) -> None:
    busy, idle = read_stub(desktop())["gpus"]
    assert busy["board"]["display_active"] is True
    assert busy["activity"]["fan_percent"] == 62
    assert busy["activity"]["throttled"] == ["too hot (driver)", "too hot (hardware)"]
    assert idle["activity"]["throttled"] == ["idle"]
    assert [process["pid"] for process in busy["processes"]] == [1]
    assert busy["can"]["fp8"] is False
    assert idle["can"]["fp8"] is True
    assert idle["nvlink"] is None


def test_why_two_gpus_cannot_reach_each_other_is_said(read_stub: Read) -> None:
    (pair,) = read_stub(desktop())["pairs"]
    assert pair["path"] == "host bridge"
    assert pair["p2p"] is False
    assert pair["p2p_why"] == "it is not supported"


def test_sixteen_devices_are_sixteen_devices(read_stub: Read) -> None:
    reading = read_stub(h100_box(16))
    assert [gpu["index"] for gpu in reading["gpus"]] == list(range(16))
    assert len(reading["pairs"]) == 120


def test_an_old_driver_without_the_newer_symbols_is_read(
    read_stub: Read, old_stub_library: Path
) -> None:
    reading = read_stub(h100_box(2), library=old_stub_library)
    gpu = reading["gpus"][0]
    assert gpu["free_bytes"] is not None
    assert gpu["reserved_bytes"] is None
    # From the compute capability, since the driver does not say.
    assert gpu["architecture"] == "Hopper"
    assert gpu["activity"]["temperature_c"] == 41
    assert gpu["activity"]["throttled"] == ["power limit"]
    assert gpu["health"]["unknown"]["remapped_rows"] == "this driver is too old to say"
    assert gpu["unknown"] == {}
    assert reading["trouble"] is None


def test_a_part_without_memory_of_its_own_has_that_of_the_host(read_stub: Read) -> None:
    snapshot = read_stub(spark(), code=SNAPSHOT)
    (gpu,) = snapshot["gpus"]
    assert gpu["total_bytes"] == snapshot["host"]["ram_total_bytes"]
    assert gpu["free_bytes"] == snapshot["host"]["ram_available_bytes"]
    assert gpu["memory_note"] == ("host memory, which this part shares (NVML says: Not Supported)")
    assert "free_bytes" not in gpu["unknown"]


def test_memory_that_a_discrete_gpu_does_not_tell_stays_unknown(read_stub: Read) -> None:
    machine = spark().replace("capability 12 1", "capability 9 0")
    (gpu,) = read_stub(machine, code=SNAPSHOT)["gpus"]
    assert gpu["free_bytes"] is None
    assert gpu["memory_note"] is None


def test_the_memory_of_a_gpu_on_a_grace_board_is_a_node_of_the_host(read_stub: Read) -> None:
    snapshot = msgspec.convert(read_stub(grace(1), code=SNAPSHOT), Snapshot)
    (gpu,) = snapshot.gpus
    assert gpu.memory_node == 1
    own = NumaNode(1, "", total_bytes=96 << 30, free_bytes=90 << 30)
    host = msgspec.structs.replace(snapshot.host, numa=(NumaNode(0, "0-71", 1, 1), own))
    (told,) = with_host_memory([msgspec.structs.replace(gpu, free_bytes=None)], host)
    assert (told.total_bytes, told.free_bytes) == (96 << 30, 90 << 30)
    assert told.memory_note == (
        "memory node 1 of the host, which is this GPU's own (NVML says: Not Supported)"
    )
    assert "free_bytes" not in told.unknown
    assert told.can["fp8"]


def test_a_node_with_cpus_is_the_hosts_memory_and_no_gpus(read_stub: Read) -> None:
    # Node 0 of any machine has CPUs.
    (gpu,) = read_stub(grace(0), code=SNAPSHOT)["gpus"]
    assert gpu["memory_node"] == 0
    assert gpu["free_bytes"] is None
    assert gpu["unknown"]["free_bytes"] == "NVML says: Not Supported"


def test_a_jetson_whose_nvml_knows_little_is_completed_by_its_device_tree(
    read_stub: Read, tmp_path: Path
) -> None:
    snapshot = msgspec.convert(read_stub(orin(), code=SNAPSHOT), Snapshot)
    (gpu,) = snapshot.gpus
    assert (gpu.compute_capability, gpu.free_bytes) == (None, None)
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_text("NVIDIA Jetson AGX Orin Developer Kit\0")
    (tree / "compatible").write_text("nvidia,p3737-0000+p3701-0000\0nvidia,tegra234\0")
    (known,) = with_host_memory(on_tegra([gpu], tegra_gpu(tmp_path)), snapshot.host)
    assert known.uuid == gpu.uuid
    assert (known.compute_capability, known.can["bf16"]) == ((8, 7), True)
    assert known.free_bytes == snapshot.host.ram_available_bytes
    part = part_of(msgspec.structs.replace(known, total_bytes=61 << 30))
    assert part is not None
    assert part.name == "Jetson AGX Orin 64GB"
    # Beside a board that is none, a device stays what NVML calls it.
    assert on_tegra([gpu], None) == (gpu,)


def test_cuda_visible_devices_is_honoured_on_a_jetson_without_nvml() -> None:
    board = Gpu(0, None, "NVIDIA Jetson AGX Xavier", None, None, None, (7, 2))
    assert shown_by_cuda(board, {}) == ((board,), ())
    assert shown_by_cuda(board, {"CUDA_VISIBLE_DEVICES": "0"})[0] == (board,)
    gpus, troubles = shown_by_cuda(board, {"CUDA_VISIBLE_DEVICES": ""})
    assert gpus == ()
    assert "hides" in troubles[0].what


VOLTA = (
    "driver 470.256.02\nnvml 11.470.256.02\ncuda 11040\n"
    "gpu Tesla V100-SXM2-16GB\nuuid GPU-70000000\npci 00000000:1A:00.0\n"
    f"memory {16384 * MIB} {16000 * MIB} {4 * MIB}\ncapability 7 0\n"
    "set nvmlDeviceGetEccMode 1 0\nset nvmlDeviceGetRetiredPages 3 1\n"
    "set nvmlDeviceGetRetiredPagesPendingStatus 1\nset nvmlDeviceGetTotalEccErrors 0 2 5 3\n"
    "fail nvmlDeviceGetRemappedRows 3\nset nvmlDeviceGetComputeMode 3\n"
    "set nvmlDeviceGetPersistenceMode 0\n"
)


def test_pages_that_a_volta_gave_up_are_counted(read_stub: Read) -> None:
    (gpu,) = read_stub(VOLTA)["gpus"]
    health = gpu["health"]
    assert (health["ecc"], health["ecc_after_reboot"]) == (True, False)
    assert (health["retired_pages"], health["retirement_pending"]) == (4, True)
    assert (health["uncorrected"], health["uncorrected_ever"]) == (2, 3)
    assert health["remapped_rows"] is None
    assert health["unknown"]["remapped_rows"] == "NVML says: Not Supported"
    assert gpu["board"]["compute_mode"] == "one process"
    assert gpu["board"]["persistence_mode"] is False
    assert gpu["can"]["bf16"] is False


def test_one_question_that_fails_costs_one_field_and_no_device(read_stub: Read) -> None:
    machine = h100_box(2).replace(
        "set nvmlDeviceGetPowerUsage 118500", "fail nvmlDeviceGetPowerUsage 999", 1
    )
    broken, whole = read_stub(machine)["gpus"]
    assert broken["activity"]["power_watts"] is None
    assert broken["activity"]["unknown"]["power_watts"] == "NVML says: Unknown Error"
    assert broken["activity"]["temperature_c"] == 41
    assert whole["activity"]["power_watts"] == 118.5


def test_a_machine_with_every_gpu_gone_is_a_trouble_and_no_crash(read_stub: Read) -> None:
    machine = h100_box(2).replace("uuid GPU-", "fail nvmlDeviceGetUUID 15\nuuid GPU-")
    reading = read_stub(machine)
    assert reading["gpus"] == []
    assert reading["trouble"]["what"].startswith("GPU 0, 1 do not answer")
    assert reading["driver_version"] == "580.65.06"
