"""A run waits for its device without touching it, and is shown that device alone, by its UUID."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from jobs import build_job
from stub_nvml import build_stub, compiler, stub_environment
from stub_nvml.machines import MIB, desktop, h100_mig
from tiny import TinyData

from tunewright.engine.devices.planned import WAIT_RULE
from tunewright.engine.plan import Decision, Plan, PlannedDevice
from tunewright.engine.run import control
from tunewright.engine.run.events import State
from tunewright.engine.run.launch import launch
from tunewright.engine.run.reader import RunEvents
from tunewright.engine.run.rundir import LaunchOptions, RunDir
from tunewright.engine.run.waiting import Wait
from tunewright.engine.session import Session
from tunewright.hardware.errors import Exit, Problem
from tunewright.hardware.snapshot import Gpu

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler (cc)")
RTX_3090 = PlannedDevice("0", "GPU-30900000-aaaa", "NVIDIA GeForce RTX 3090")
DESKTOP_3090 = Gpu(0, RTX_3090.uuid, RTX_3090.name, 24576 * MIB, 14000 * MIB, 10200 * MIB)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_stub(tmp_path_factory.mktemp("stub"))


@pytest.fixture
def machine(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Call it with a scenario: processes started from then on find that machine."""

    def play(scenario: str) -> None:
        path = tmp_path / "scenario.txt"
        path.write_text(scenario)
        for name, value in stub_environment(library, path).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return play


def session_for(
    folder: Path, model: Path, data: TinyData, device: PlannedDevice, needed: int, rule: str
) -> Session:
    """A session whose plan needs so many bytes of the device."""
    session = build_job(folder / "job", model, data).session
    assert session.plan is not None
    assert session.recorded is not None
    fit = session.plan.chosen()
    estimate = msgspec.structs.replace(fit.estimate, safe_bytes=needed)
    plan = msgspec.structs.replace(
        session.plan,
        device=Decision("cuda", "a test", rule),
        devices=(device,),
        fits=(msgspec.structs.replace(fit, estimate=estimate),),
    )
    snapshot = msgspec.structs.replace(session.recorded.snapshot, gpus=(DESKTOP_3090,))
    recorded = msgspec.structs.replace(session.recorded, snapshot=snapshot)
    return msgspec.structs.replace(session, plan=plan, recorded=recorded)


def until(met: Callable[[], object], patience: float = 30.0) -> None:
    ends = time.monotonic() + patience
    while not met():
        assert time.monotonic() < ends, "never happened"
        time.sleep(0.05)


def reasons(run: RunDir) -> list[str]:
    events = RunEvents(run.events).read_new()
    return [e.because for e in events if isinstance(e, State) and e.because]


def test_a_run_waits_for_a_busy_device_says_for_whom_and_can_be_stopped(
    machine: Callable[[str], None], tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    machine(desktop())
    session = session_for(tmp_path, tiny_model, tiny_data, RTX_3090, 20 << 30, WAIT_RULE)
    run = launch(session, tmp_path, LaunchOptions(), tmp_path / "run")
    try:
        until(lambda: any("waits for GPU 0" in reason for reason in reasons(run)))
    finally:
        control.send(run.control, "stop")
    (said,) = [reason for reason in reasons(run) if "waits" in reason]
    assert "20.00 GiB are needed, 13.67 GiB are free" in said
    assert "pid 1" in said
    until(lambda: run.read_exit() is not None)
    ended = run.read_exit()
    assert ended is not None
    assert (ended.state, ended.exit) == ("stopped", Exit.STOPPED)
    # Nothing was started that could have taken the device.
    assert run.read_record().attempts[-1].workers == ()


WAITING = """
import sys
from pathlib import Path
from tunewright.engine.run.waiting import Wait
from tunewright.engine.session import load_session
wait = Wait.of(load_session(Path(sys.argv[1])))
print(wait.reason() if wait else "no wait")
"""


def test_it_starts_when_there_is_room_or_when_nobody_can_tell(
    machine: Callable[[str], None], tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    from tunewright.engine.session import save_session

    def reason(scenario: str, rule: str = WAIT_RULE, needed: int = 13 << 30) -> str:
        machine(scenario)
        session = session_for(tmp_path, tiny_model, tiny_data, RTX_3090, needed, rule)
        save_session(session, tmp_path / "s.json")
        done = subprocess.run(
            [sys.executable, "-c", WAITING, str(tmp_path / "s.json")],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout.strip()

    assert reason(desktop()) == ""
    assert "waits for GPU 0" in reason(desktop(), needed=14 << 30)
    assert reason(desktop(), rule="device.asked", needed=14 << 30) == "no wait"
    # A device that is lost would never be free: that is the worker's to report.
    lost = desktop().replace(
        "uuid GPU-3090", "fail nvmlDeviceGetUtilizationRates 15\nuuid GPU-3090"
    )
    assert reason(lost, needed=20 << 30) == ""
    assert reason("init 9\n\n", needed=20 << 30) == ""


def test_a_plan_that_waits_for_nothing_has_no_wait(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    assert Wait.of(build_job(tmp_path / "job", tiny_model, tiny_data).session) is None


SHOWN = """
import json, os, sys, msgspec
from tunewright.engine.plan import Plan
from tunewright.engine.run.worker import _show_planned
from tunewright.hardware.errors import Problem
class Events:
    said = []
    def write(self, event): self.said.append(event.what)
try:
    _show_planned(msgspec.json.decode(sys.stdin.buffer.read(), type=Plan), Events())
except Problem as problem:
    Events.said.append(str(problem))
print(json.dumps([os.environ.get("CUDA_VISIBLE_DEVICES"), Events.said]))
"""


def shown(plan: Plan) -> tuple[str | None, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", SHOWN],
        input=msgspec.json.encode(plan), capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    visible, said = json.loads(done.stdout)
    return visible, said


def test_the_worker_sees_the_planned_device_by_its_uuid_and_no_other(
    machine: Callable[[str], None], tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    def plan(device: PlannedDevice) -> Plan:
        session = session_for(tmp_path, tiny_model, tiny_data, device, 1, "device.asked")
        assert session.plan is not None
        return session.plan

    machine(desktop())
    assert shown(plan(RTX_3090)) == ("GPU-30900000-aaaa", [])
    slice_ = PlannedDevice("0:1", "MIG-00000001-1111-2222", "a slice")
    machine(h100_mig())
    assert shown(plan(slice_)) == ("MIG-00000001-1111-2222", [])
    # Planned on another machine: the freest here, and it is said.
    visible, said = shown(plan(RTX_3090))
    assert visible == "GPU-5a1f0000-0000-0000-0000-000000000001"
    assert said == ["the planned NVIDIA GeForce RTX 3090 is not here"]


def test_the_ranks_of_a_plan_for_several_see_all_of_them_in_its_order_or_none_starts(
    machine: Callable[[str], None], tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    machine(desktop())
    session = session_for(tmp_path, tiny_model, tiny_data, RTX_3090, 1, "device.asked-together")
    assert session.plan is not None

    def plan(*uuids: str) -> Plan:
        assert session.plan is not None
        devices = tuple(PlannedDevice(str(n), uuid, uuid) for n, uuid in enumerate(uuids))
        return msgspec.structs.replace(session.plan, devices=devices)

    other = re.findall(r"uuid (GPU-4\S+)", desktop())[0]
    assert shown(plan(other, "GPU-30900000-aaaa")) == (f"{other},GPU-30900000-aaaa", [])
    assert shown(plan("GPU-30900000-aaaa", other)) == (f"GPU-30900000-aaaa,{other}", [])
    _, (said,) = shown(plan(other, "GPU-gone"))
    assert "2 devices, and 1 of them are here" in said
    assert "not here: GPU-gone" in said


def test_a_plan_for_an_invented_machine_is_not_launched(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    session = session_for(tmp_path, tiny_model, tiny_data, RTX_3090, 1, "device.asked")
    assert session.recorded is not None
    snapshot = msgspec.structs.replace(session.recorded.snapshot, simulated=True)
    recorded = msgspec.structs.replace(session.recorded, snapshot=snapshot)
    session = msgspec.structs.replace(session, recorded=recorded)
    with pytest.raises(Problem, match="nothing can be launched"):
        launch(session, tmp_path, LaunchOptions(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
