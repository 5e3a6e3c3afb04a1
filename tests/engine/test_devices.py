"""Which device a run gets: the freest, the one that was asked for, or one that is waited for."""

from __future__ import annotations

import msgspec
import pytest
from sizing_cases import GIB, gpu, inputs, recorded, snapshot

from tunewright.engine.devices import choose_device, planned_gpu, refuse_invented, waits
from tunewright.engine.planner import make_plan
from tunewright.engine.replay import plan_differences
from tunewright.engine.session import VERSION, Session
from tunewright.hardware.errors import Problem
from tunewright.hardware.snapshot import Activity, Gpu, GpuProcess
from tunewright.hardware.whatif import imagine

ALICE = GpuProcess(4121, 18 * GIB, "alice", "python")
SCREEN = GpuProcess(900, GIB // 2, "root", "Xorg")
# 24 GiB each: one at work, one idle, one behind a display.
BUSY = msgspec.structs.replace(gpu(5.0, index=0), processes=(ALICE,), reserved_bytes=GIB // 2)
IDLE = gpu(23.0, index=1)
SHOWN = msgspec.structs.replace(gpu(22.0, index=2), processes=(SCREEN,))
THREE = snapshot((BUSY, IDLE, SHOWN))


def test_the_freest_is_taken_and_the_others_say_why_not() -> None:
    choice = choose_device(THREE)
    assert choice.gpu == IDLE
    assert choice.free_bytes == IDLE.free_bytes
    assert choice.planned[0].uuid == "GPU-1"
    busy, shown = choice.decision.alternatives
    assert (busy.value, shown.value) == ("0", "2")
    assert "alice's python (pid 4121) holds 18.00 GiB" in busy.why_not
    assert "23.50 GiB idle" in busy.why_not
    assert "busy" not in shown.why_not
    assert choice.warnings == ()


def test_of_equally_free_ones_the_one_at_rest_is_taken() -> None:
    working = msgspec.structs.replace(gpu(23.0, index=0), activity=Activity(gpu_percent=98))
    assert choose_device(snapshot((working, IDLE))).gpu == IDLE


def test_a_named_device_is_taken_even_when_busy_and_the_cure_is_said() -> None:
    choice = choose_device(THREE, "0")
    assert choice.gpu == BUSY
    assert choice.free_bytes == 5 * GIB
    assert choice.decision.rule == "device.asked"
    (warning,) = choice.warnings
    assert "alice" in warning
    assert "--when-busy wait" in warning
    assert "--device 1" in warning


@pytest.mark.parametrize("name", ["1", "GPU-1", " 1 "])
def test_a_device_is_named_by_number_or_uuid(name: str) -> None:
    assert choose_device(THREE, name).gpu == IDLE


def test_of_several_named_the_freest_is_taken() -> None:
    choice = choose_device(THREE, "0,2")
    assert choice.gpu == SHOWN
    assert "most of the 2 named" in choice.decision.because


def test_a_slice_is_named_by_its_own_label_or_uuid_and_its_gpu_is_no_device() -> None:
    machine = imagine("A100 80GB mig 3g.40gb + 3g.40gb")
    second = machine.gpus[1]
    assert choose_device(machine, "0:1").gpu == second
    assert second.uuid is not None
    assert choose_device(machine, second.uuid).planned[0].uuid == second.uuid
    with pytest.raises(Problem, match="no device") as caught:
        choose_device(machine, "0")
    assert "MIG mode" in caught.value.why


@pytest.mark.parametrize("name", ["7", "GPU-9999", "", "0,7", "GPU-"])
def test_a_name_that_is_no_device_says_which_are(name: str) -> None:
    with pytest.raises(Problem) as caught:
        choose_device(THREE, name)
    assert caught.value.cure.startswith("--device ")


def test_a_uuid_that_begins_several_names_none() -> None:
    twins = tuple(msgspec.structs.replace(gpu(9, index=i), uuid=f"GPU-aaaa-{i}") for i in range(2))
    with pytest.raises(Problem) as caught:
        choose_device(snapshot(twins), "GPU-aaaa")
    assert "several UUIDs begin so" in caught.value.why


def test_a_named_device_of_unknown_memory_is_refused_and_not_guessed() -> None:
    dark = msgspec.structs.replace(
        IDLE, free_bytes=None, unknown={"free_bytes": "NVML says: GPU is lost"}
    )
    with pytest.raises(Problem) as caught:
        choose_device(snapshot((dark,)), "1")
    assert "lost" in caught.value.why
    assert choose_device(snapshot((dark,))).device == "cpu"


def test_the_cpu_can_be_asked_for_beside_a_gpu() -> None:
    choice = choose_device(THREE, "cpu")
    assert (choice.device, choice.gpu, choice.planned) == ("cpu", None, ())
    plan = make_plan(inputs(device="cpu"), recorded(gpus=THREE.gpus))
    assert plan.device.value == "cpu"
    assert plan.devices == ()


def test_one_that_is_waited_for_is_planned_as_if_idle() -> None:
    big = msgspec.structs.replace(BUSY, total_bytes=48 * GIB)
    choice = choose_device(snapshot((big, IDLE)), when_busy="wait")
    assert choice.gpu == big
    assert choice.free_bytes == 48 * GIB - GIB // 2
    assert "waits" in choice.decision.because
    unknown = msgspec.structs.replace(BUSY, reserved_bytes=None)
    assert choose_device(snapshot((unknown,)), "0", "wait").free_bytes == 23 * GIB


def test_the_plan_follows_its_device() -> None:
    known = recorded(gpus=THREE.gpus)
    free = make_plan(inputs(), known)
    asked = make_plan(inputs(device="0"), known)
    waiting = make_plan(inputs(device="0", when_busy="wait"), known)
    assert [plan.chosen().verdict for plan in (free, waiting)] == ["fits", "fits"]
    assert asked.chosen().free_bytes == 5 * GIB
    assert asked.chosen().verdict == "no"
    assert [waits(plan) for plan in (free, asked, waiting)] == [False, False, True]
    assert any("alice" in warning for warning in asked.warnings)
    assert planned_gpu(asked, THREE) == BUSY
    assert planned_gpu(free, snapshot((BUSY,))) is None


def test_other_devices_make_no_difference_to_a_replay() -> None:
    there = make_plan(inputs(), recorded(gpus=(gpu(23.0, index=3),)))
    here = make_plan(inputs(), recorded(gpus=(gpu(23.0), gpu(22.0, index=1))))
    assert plan_differences(there, here) == ()


def test_nothing_is_launched_on_a_machine_that_is_not_here() -> None:
    known = recorded(gpus=THREE.gpus)
    session = Session(VERSION, inputs(), make_plan(inputs(), known), known)
    with pytest.raises(Problem, match="launched on box"):
        refuse_invented(session)
    here = msgspec.structs.replace(known.snapshot, simulated=False)
    refuse_invented(
        msgspec.structs.replace(session, recorded=msgspec.structs.replace(known, snapshot=here))
    )


def test_no_device_at_all_is_the_cpu() -> None:
    machine: tuple[Gpu, ...] = ()
    assert choose_device(snapshot(machine)).device == "cpu"
    with pytest.raises(Problem, match="no device"):
        choose_device(snapshot(machine), "0")
