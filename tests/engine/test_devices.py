"""Which device a run gets: the freest, the one that was asked for, or one that is waited for."""

from __future__ import annotations

import msgspec
import pytest
from sizing_cases import GIB, gpu, inputs, recorded, snapshot

from tunewright.engine.devices.choose import choose_device
from tunewright.engine.devices.planned import planned_gpu, planned_gpus, refuse_invented, waits
from tunewright.engine.plan import Plan
from tunewright.engine.plan_cost import plan_cost
from tunewright.engine.planner import make_plan
from tunewright.engine.replay import plan_differences
from tunewright.engine.session import VERSION, Session
from tunewright.engine.train.defaults import total_steps
from tunewright.hardware.errors import Problem
from tunewright.hardware.prices import Price, Prices
from tunewright.hardware.snapshot import Activity, Gpu, GpuProcess, Snapshot
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
    with pytest.raises(Problem, match="launched on box") as refused:
        refuse_invented(session)
    assert "--on here" in refused.value.cure
    here = msgspec.structs.replace(known.snapshot, simulated=False)
    refuse_invented(
        msgspec.structs.replace(session, recorded=msgspec.structs.replace(known, snapshot=here))
    )


def test_no_device_at_all_is_the_cpu() -> None:
    machine: tuple[Gpu, ...] = ()
    assert choose_device(snapshot(machine)).device == "cpu"
    with pytest.raises(Problem, match="no device"):
        choose_device(snapshot(machine), "0")


# -- several together

LINKED = imagine("4x H100 80GB")


def test_devices_joined_by_a_plus_train_together_and_the_fullest_sets_the_room() -> None:
    choice = choose_device(THREE, "1+2")
    assert [gpu.label for gpu in choice.gpus] == ["1", "2"]
    assert choice.gpu == SHOWN
    assert choice.free_bytes == 22 * GIB
    assert [planned.uuid for planned in choice.planned] == ["GPU-1", "GPU-2"]
    assert choice.decision.rule == "device.asked-together"
    assert "GPUs 1 and 2 train together" in choice.decision.because
    assert "GPU 2" in choice.decision.because
    (other,) = choice.decision.alternatives
    assert other.value == "0"
    assert choice.warnings == ()


def test_how_they_are_joined_is_said() -> None:
    assert "NVLink joins them" in choose_device(LINKED, "0+1+3").decision.because
    assert "GPUs 0, 1 and 3" in choose_device(LINKED, "0+1+3").decision.because
    two = imagine("2x RTX 4090")
    assert "gradients go over PCIe" in choose_device(two, "0+1").decision.because


def test_unlike_devices_do_what_both_can_and_say_that_the_slowest_counts() -> None:
    choice = choose_device(imagine("RTX 4090 + T4"), "0+1")
    assert choice.capability == (7, 5)
    assert any("slowest" in warning for warning in choice.warnings)
    unknown = msgspec.structs.replace(IDLE, compute_capability=None)
    assert choose_device(snapshot((unknown, SHOWN)), "1+2").capability is None


def test_a_busy_one_of_several_is_said_or_waited_for() -> None:
    choice = choose_device(THREE, "0+1")
    assert choice.free_bytes == 5 * GIB
    assert any("alice" in warning for warning in choice.warnings)
    waiting = choose_device(THREE, "0+1", "wait")
    assert waiting.free_bytes == IDLE.free_bytes
    assert waiting.decision.rule == "device.wait-until-free"
    assert "waits until each has room" in waiting.decision.because


@pytest.mark.parametrize(
    ("asked", "machine", "what"),
    [
        ("1+1", THREE, "names a device twice"),
        ("1+", THREE, "no device of this machine"),
        ("1+7", THREE, "no device of this machine"),
        ("0:0+0:1", imagine("H100 80GB mig 3g.40gb + 3g.40gb"), "cannot train together"),
        (
            "1+2",
            snapshot((IDLE, msgspec.structs.replace(SHOWN, free_bytes=None))),
            "free memory of GPU 2 is unknown",
        ),
    ],
)
def test_what_cannot_be_together_is_refused(asked: str, machine: Snapshot, what: str) -> None:
    with pytest.raises(Problem, match=what) as caught:
        choose_device(machine, asked)
    assert "--device" in caught.value.cure


def test_a_plan_of_several_shares_the_step_and_is_sized_for_one() -> None:
    known = msgspec.structs.replace(recorded(), snapshot=LINKED)
    alone = make_plan(inputs(method="lora", device="0"), known)
    plan = make_plan(inputs(method="lora", device="0+1"), known)
    assert [device.label for device in plan.devices] == ["0", "1"]
    assert plan.value("machine.devices") == 2

    def step(one: Plan) -> int:
        rows = one.value("training.per_device_train_batch_size")
        rows *= one.value("training.gradient_accumulation_steps")
        return int(rows) * max(1, len(one.devices))

    assert step(plan) == step(alone)
    assert "x 2 devices" in plan.settings["training.gradient_accumulation_steps"].because
    assert total_steps(plan.settings, known.data) == total_steps(alone.settings, known.data)
    # DDP keeps buckets of gradients beside them.
    assert any(item.id == "buckets" for item in plan.chosen().estimate.items)
    assert "machine.devices" not in alone.settings
    # A pass takes half as long, and the hour costs twice.
    prices = Prices("EUR", {"H100 80GB": Price(per_hour=2.0)})
    one, both = plan_cost(alone, known, prices), plan_cost(plan, known, prices)
    assert one is not None
    assert both is not None
    assert 0.5 <= both.hours.expected / one.hours.expected < 0.75
    assert "4.00 EUR an hour of 2x H100" in both.because


def test_the_fullest_of_several_is_what_the_screens_and_the_wait_look_at() -> None:
    plan = make_plan(inputs(device="1+2"), recorded(gpus=THREE.gpus))
    assert planned_gpu(plan, THREE) == SHOWN
    filled = msgspec.structs.replace(IDLE, free_bytes=GIB)
    assert planned_gpu(plan, snapshot((BUSY, filled, SHOWN))) == filled
    assert planned_gpus(plan, snapshot((BUSY, SHOWN))) == (SHOWN,)
