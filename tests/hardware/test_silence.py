"""What hangs is named and left alone; everything else is still shown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from stub_nvml.machines import h100_box

from tunewright.hardware.deadline import Overdue, all_within, anything_stuck, within

Read = Callable[..., dict[str, Any]]

# The deadlines of a person's patience, shortened; a healthy stub answers in milliseconds.
IMPATIENT = (
    "import msgspec, sys; from tunewright.hardware.nvml import read_gpus;"
    "sys.stdout.write(msgspec.json.encode("
    "read_gpus(start_seconds={start}, device_seconds={device})).decode())"
)
QUICK = IMPATIENT.format(start=30, device=2)


def test_a_gpu_that_hangs_does_not_hide_the_others(read_stub: Read) -> None:
    machine = h100_box(3).replace(
        "gpu NVIDIA H100 80GB HBM3\nuuid GPU-5a1f0000-0000-0000-0000-000000000001",
        "gpu NVIDIA H100 80GB HBM3\nhang nvmlDeviceGetTemperatureV\n"
        "uuid GPU-5a1f0000-0000-0000-0000-000000000001",
    )
    reading = read_stub(machine, code=QUICK)
    assert [gpu["index"] for gpu in reading["gpus"]] == [0, 2]
    assert [(pair["a"], pair["b"]) for pair in reading["pairs"]] == [(0, 2)]
    trouble = reading["trouble"]
    assert "GPU 1" in trouble["what"]
    assert "others are shown" in trouble["what"]
    assert "nvmlDeviceGetTemperatureV has not returned" in trouble["why"]
    assert "dmesg" in trouble["cure"]


def test_a_lost_and_a_hanging_gpu_are_two_troubles(read_stub: Read) -> None:
    reading = read_stub(
        "gpu A\nhang nvmlDeviceGetName\ngpu B\nfail nvmlDeviceGetUUID 15\ngpu C\nmemory 9 5 4\n",
        code=QUICK,
    )
    assert [gpu["name"] for gpu in reading["gpus"]] == ["C"]
    assert ["GPU 1" in trouble["what"] for trouble in reading["troubles"]] == [True, False]
    assert "GPU 0" in reading["troubles"][1]["what"]


def test_a_driver_that_hangs_while_it_starts_is_a_trouble(read_stub: Read) -> None:
    reading = read_stub("hang nvmlInitWithFlags\ngpu A\n", code=IMPATIENT.format(start=1, device=1))
    assert reading["gpus"] == []
    assert "does not answer" in reading["trouble"]["what"]
    assert "persistence mode" in reading["trouble"]["cure"]


def test_a_topology_that_hangs_leaves_the_gpus(read_stub: Read) -> None:
    reading = read_stub(
        "gpu A\nmemory 9 5 4\nhang nvmlDeviceGetTopologyCommonAncestor\ngpu B\nmemory 9 5 4\n",
        code=QUICK,
    )
    assert len(reading["gpus"]) == 2
    assert reading["pairs"] == []
    assert "connected" in reading["trouble"]["what"]


def test_what_hangs_is_not_asked_again_until_it_comes_back() -> None:
    release = threading.Event()
    asked = []

    def hang() -> str:
        asked.append(1)
        release.wait(60)
        return "late"

    with pytest.raises(Overdue):
        within(0.05, "a test's question", hang)
    assert anything_stuck()
    with pytest.raises(Overdue):
        within(60, "a test's question", hang)
    assert len(asked) == 1
    release.set()
    for thread in threading.enumerate():
        if thread.name == "a test's question":
            thread.join(60)
    assert within(60, "a test's question", lambda: "now") == "now"


def test_an_error_that_nobody_expected_is_not_swallowed() -> None:
    def broken() -> None:
        raise ZeroDivisionError("a fault of ours")

    with pytest.raises(ZeroDivisionError):
        all_within(60, {"broken": broken}, OSError)
    _, errors = all_within(60, {"broken": broken}, ZeroDivisionError)
    assert isinstance(errors["broken"], ZeroDivisionError)
