"""What NVML tells is read field by field, and what it refuses is said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Read = Callable[..., dict[str, Any]]

GIB = 1 << 30


def test_a_machine_without_gpus_is_a_normal_state(read_stub: Read) -> None:
    reading = read_stub("none")
    assert reading["gpus"] == reading["troubles"] == []
    assert reading["driver_version"] == "580.65.06"
    assert reading["cuda_version"] == [13, 0]
    assert reading["trouble"] is None


def test_a_gpu_is_read_with_the_process_of_another_user(read_stub: Read) -> None:
    reading = read_stub("one_24gb")
    (gpu,) = reading["gpus"]
    assert gpu["name"] == "NVIDIA GeForce RTX 4090"
    assert gpu["uuid"] == "GPU-11111111-aaaa-bbbb-cccc-000000000001"
    assert (gpu["total_bytes"], gpu["free_bytes"]) == (24 * GIB, 20 * GIB)
    # The driver's own reserve is not counted as used, as the second version of the call says it.
    assert gpu["used_bytes"] == 3.5 * GIB
    assert gpu["compute_capability"] == [8, 9]
    assert gpu["unknown"] == {}
    (process,) = gpu["processes"]
    assert (process["pid"], process["used_bytes"]) == (1, 3 * GIB)
    assert process["command"] == Path("/proc/1/comm").read_text().strip()
    assert process["own"] is (os.getuid() == Path("/proc/1").stat().st_uid)
    assert reading["trouble"] is None


def test_our_own_process_is_told_from_others_and_its_arguments_are_not_kept(
    read_stub: Read,
) -> None:
    own = os.getpid()
    scenario = f"gpu X\nmemory 9 5 4\nprocess {own} 100\ngraphics {own} 100\nprocess 4194303 7\n"
    (gpu,) = read_stub(scenario)["gpus"]
    ours, gone = gpu["processes"]
    assert ours["pid"] == own
    assert ours["own"] is True
    assert ours["user"] is not None
    assert "/" not in ours["command"]
    assert " " not in ours["command"]
    assert gone == {"pid": 4194303, "used_bytes": 7, "user": None, "command": None, "own": False}


def test_a_lost_gpu_does_not_hide_the_other(read_stub: Read) -> None:
    reading = read_stub("two_one_lost")
    assert [gpu["index"] for gpu in reading["gpus"]] == [0]
    assert reading["gpus"][0]["free_bytes"] == 42_000_000_000
    assert "GPU 1" in reading["trouble"]["what"]
    assert "lost" in reading["trouble"]["why"]
    assert "nvidia-smi -r" in reading["trouble"]["cure"]
    assert reading["cuda_version"] == [12, 8]


def test_a_gpu_whose_handle_fails_is_named(read_stub: Read) -> None:
    reading = read_stub("gpu A\nfail nvmlDeviceGetHandleByIndex_v2 15\ngpu B\nmemory 9 5 4\n")
    assert [gpu["name"] for gpu in reading["gpus"]] == ["B"]
    assert "GPU 0" in reading["trouble"]["what"]


def test_a_driver_that_does_not_match_its_library_says_reboot(read_stub: Read) -> None:
    reading = read_stub("mismatch")
    assert reading["gpus"] == []
    assert reading["driver_version"] is None
    assert "different versions" in reading["trouble"]["what"]
    assert "reboot" in reading["trouble"]["cure"]


def test_each_failure_to_start_has_its_own_cure(read_stub: Read) -> None:
    cures = {code: read_stub(f"init {code}\n\n")["trouble"]["cure"] for code in (4, 9, 12, 18, 999)}
    assert len(set(cures.values())) == len(cures)


def test_a_refused_field_is_unknown_with_the_drivers_reason(read_stub: Read) -> None:
    scenario = (
        "gpu NVIDIA GB10\nuuid GPU-1\ncapability 12 1\n"
        "fail nvmlDeviceGetMemoryInfo_v2 3\nfail nvmlDeviceGetComputeRunningProcesses_v3 4\n"
    )
    reading = read_stub(scenario)
    (gpu,) = reading["gpus"]
    assert gpu["total_bytes"] is None
    assert gpu["free_bytes"] is None
    assert gpu["compute_capability"] == [12, 1]
    assert gpu["unknown"]["free_bytes"] == "NVML says: Not Supported"
    assert gpu["unknown"]["processes"] == "NVML says: Insufficient Permissions"
    assert reading["trouble"] is None


def test_an_older_driver_is_asked_with_the_older_calls(read_stub: Read) -> None:
    scenario = (
        "gpu Tesla V100\nmemory 9 5 4\nprocess 1 3\nfail nvmlDeviceGetMemoryInfo_v2 13\n"
        "fail nvmlDeviceGetComputeRunningProcesses_v3 13\n"
    )
    (gpu,) = read_stub(scenario)["gpus"]
    assert (gpu["total_bytes"], gpu["free_bytes"], gpu["used_bytes"]) == (9, 5, 4)
    assert [process["used_bytes"] for process in gpu["processes"]] == [3]


def test_a_process_without_a_size_is_unknown_and_not_zero(read_stub: Read) -> None:
    (gpu,) = read_stub(f"gpu X\nprocess 1 {2**64 - 1}\n")["gpus"]
    assert gpu["processes"][0]["used_bytes"] is None


def test_a_driver_that_cannot_count_is_a_trouble(read_stub: Read) -> None:
    reading = read_stub("driver 1\nfail nvmlDeviceGetCount_v2 999\ngpu X\n")
    assert reading["gpus"] == []
    assert "count" in reading["trouble"]["what"]


def test_the_library_is_shut_down_as_often_as_it_is_started(
    read_stub: Read, tmp_path: Path
) -> None:
    for scenario in ("one_24gb", "two_one_lost", "fail nvmlDeviceGetCount_v2 999\n"):
        (tmp_path / "calls").unlink(missing_ok=True)
        read_stub(scenario)
        assert (tmp_path / "calls").read_text().split() == ["init", "shutdown"]


def test_cuda_visible_devices_picks_and_orders(read_stub: Read) -> None:
    reading = read_stub("two_unlike", CUDA_VISIBLE_DEVICES="1,0", CUDA_DEVICE_ORDER="PCI_BUS_ID")
    assert [gpu["index"] for gpu in reading["gpus"]] == [1, 0]
    assert reading["trouble"] is None
    by_uuid = read_stub("two_unlike", CUDA_VISIBLE_DEVICES="GPU-bbbb")
    assert [gpu["index"] for gpu in by_uuid["gpus"]] == [1]
    assert by_uuid["trouble"] is None


def test_a_lost_gpu_that_is_not_visible_is_no_trouble(read_stub: Read) -> None:
    reading = read_stub("two_one_lost", CUDA_VISIBLE_DEVICES="0")
    assert [gpu["index"] for gpu in reading["gpus"]] == [0]
    assert reading["trouble"] is None
    named = read_stub(
        "two_one_lost", CUDA_VISIBLE_DEVICES="GPU-22222222-aaaa-bbbb-cccc-000000000002"
    )
    assert named["gpus"] == []
    assert "GPU 1" in named["trouble"]["what"]
